// Parses the files of KQL that are named, binds each to the tables of the
// workspace, and prints what Kusto's own language service says against it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
require("@kusto/language-service-next/bridge.js"); // the next line's runtime, which it takes from the globals
require("@kusto/language-service-next");

const { GlobalState, KustoCode, Symbols } = globalThis.Kusto.Language;

// Of the columns that Microsoft lists, those that a query may need.
// https://learn.microsoft.com/azure/azure-monitor/reference/tables/apptraces
// https://learn.microsoft.com/azure/azure-monitor/reference/tables/apprequests
const shared = "TimeGenerated: datetime, Properties: dynamic, OperationId: string, OperationName: string, AppRoleName: string, AppRoleInstance: string, ItemCount: int";
const tables = {
  AppTraces: `(${shared}, Message: string, SeverityLevel: int)`,
  AppRequests: `(${shared}, Name: string, ResultCode: string, Success: bool, DurationMs: real)`,
};
const symbols = Object.entries(tables).map(([name, columns]) => Symbols.TableSymbol.From(columns).WithName(name));
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor("workspace", symbols));

for (const path of process.argv.slice(2)) {
  const text = readFileSync(path, "utf8");
  const found = KustoCode.ParseAndAnalyze(text, globals).GetDiagnostics();
  for (let i = 0; i < found.Count; i++) {
    const diagnostic = found.getItem(i);
    const line = text.slice(0, diagnostic.Start).split("\n").length;
    console.log(`${path}:${line}: ${diagnostic.Severity} ${diagnostic.Code}: ${diagnostic.Message}`);
    process.exitCode = 1;
  }
}
