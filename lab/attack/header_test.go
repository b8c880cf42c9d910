package attack

// get is a plain call with further lines of the header.
func get(lines string) string {
	return "GET {path} HTTP/1.1\r\nHost: {host}\r\n{auth}\r\n" + lines + "\r\n"
}

// hopByHop are fields that a client has a proxy drop.
func hopByHop() attackClass {
	c := attackClass{name: "Hop-by-hop fields", guards: "CVE-2021-33197, RFC 9110 section 7.6.1"}
	for _, named := range []string{
		"Authorization", "authorization", "User-Agent", "Host", "Content-Length", "Content-Type", "X-Forwarded-For",
		"close, Host, Authorization", "keep-alive, authorization", "Traceparent", "X-Azure-Functions-InvocationId",
	} {
		c.vectors = append(c.vectors, vector{id: "Connection: " + named, raw: get("Connection: " + named + "\r\n"), reach: 1})
	}
	return c
}
