"""Runs queries of KQL over tables of sample rows.

Standard input is a JSON array of {query, traces, requests}; standard output is
an array with the rows of each query, as objects.
"""

import json
import sys

import duckdb_kql

TABLES = {
    "traces": "AppTraces(TimeGenerated timestamp, Message varchar, Properties json)",
    "requests": "AppRequests(TimeGenerated timestamp, ResultCode varchar)",
}


def run(case):
    """Returns the rows that the case's query finds, values as JSON or text."""
    with duckdb_kql.connect() as connection:
        for name, table in TABLES.items():
            connection.execute(f"create table {table}")
            rows = [[json.dumps(v) if isinstance(v, dict) else v for v in row] for row in case[name] or []]
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                connection.executemany(f"insert into {table.split('(')[0]} values ({marks})", rows)
        result = duckdb_kql.kql(connection, case["query"])
        columns = result.columns
        return [dict(zip(columns, row)) for row in result.fetchall()]


json.dump([run(case) for case in json.load(sys.stdin)], sys.stdout, default=str)
