package entra

import (
	"fmt"
	"strings"
)

// WithDialect adds the flag of a dialect, "default" or "compliant", in front of
// the query of a tenant URL, where it goes before any other flag. An empty name
// leaves the URL as it is; the error says that there is no such dialect.
func WithDialect(tenantURL, name string) (string, error) {
	if name == "" {
		return tenantURL, nil
	}
	for _, known := range dialects() {
		if known.name == name {
			address, query, found := strings.Cut(tenantURL, "?")
			if found {
				query = "&" + query
			}
			return address + "?" + known.flags[0] + query, nil
		}
	}
	return "", fmt.Errorf("the dialect is %q, want default or compliant", name)
}
