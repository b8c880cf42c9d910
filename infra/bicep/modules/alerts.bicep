metadata description = 'Alerts on the log lines of the proxy, and a workbook of them.'

@description('Name of the function app.')
param name string

@description('Azure region.')
param location string

@description('Tags of each resource.')
param tags object

@description('ARM id of the Log Analytics workspace.')
param workspaceId string

@description('Who gets a mail when an alert fires.')
param alertEmails string[]

var alerts = loadJsonContent('../../monitor/alerts.json')

// One line for each, because a file is loaded by a literal name only.
var alertQueries = {
  'calls-failing': loadTextContent('../../monitor/alerts/calls-failing.kql')
  'entra-token-refused': loadTextContent('../../monitor/alerts/entra-token-refused.kql')
  'backend-credential-refused': loadTextContent('../../monitor/alerts/backend-credential-refused.kql')
  'backend-tls': loadTextContent('../../monitor/alerts/backend-tls.kql')
  expiring: loadTextContent('../../monitor/alerts/expiring.kql')
  'slow-calls': loadTextContent('../../monitor/alerts/slow-calls.kql')
  'vault-unavailable': loadTextContent('../../monitor/alerts/vault-unavailable.kql')
}

var charts = loadJsonContent('../../monitor/workbook.json')

var chartQueries = {
  calls: loadTextContent('../../monitor/workbook/calls.kql')
  latency: loadTextContent('../../monitor/workbook/latency.kql')
  rules: loadTextContent('../../monitor/workbook/rules.kql')
  'error-classes': loadTextContent('../../monitor/workbook/error-classes.kql')
  expiry: loadTextContent('../../monitor/workbook/expiry.kql')
}

var workbookContent = {
  version: 'Notebook/1.0'
  items: map(charts, chart => {
    type: 3
    name: chart.name
    content: {
      version: 'KqlItem/1.0'
      title: chart.title
      query: chartQueries[chart.name]
      size: 0
      timeContext: {
        durationMs: 86400000
      }
      queryType: 0
      resourceType: 'microsoft.operationalinsights/workspaces'
      visualization: chart.visualization
    }
  })
  fallbackResourceIds: [
    workspaceId
  ]
  '$schema': 'https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json'
}

resource mail 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(alertEmails)) {
  name: 'ag-${name}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'scim-proxy'
    enabled: true
    emailReceivers: [for (address, i) in alertEmails: {
      name: 'mail-${i}'
      emailAddress: address
      useCommonAlertSchema: true
    }]
  }
}

resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for alert in alerts: {
  name: '${name}-${alert.name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: '${name}: ${alert.title}'
    description: alert.description
    severity: alert.severity
    enabled: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: alert.frequency
    windowSize: alert.window
    criteria: {
      allOf: [
        {
          query: alertQueries[alert.name]
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          // An alert for each value: one that is on for weeks would hide the next.
          dimensions: map(alert.dimensions, column => {
            name: column
            operator: 'Include'
            values: ['*']
          })
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    // The tables of a fresh workspace do not exist before the first line arrives.
    skipQueryValidation: true
    actions: {
      actionGroups: empty(alertEmails) ? [] : [
        mail.id
      ]
    }
  }
}]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, name, 'workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'SCIM proxy ${name}'
    category: 'workbook'
    sourceId: workspaceId
    serializedData: string(workbookContent)
  }
}
