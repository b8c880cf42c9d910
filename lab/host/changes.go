package host

import (
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// change is one thing that happens to a call on its way. The proxy does what the
// table says, row by row, and nothing else.
type change struct {
	name   string // a field, or the part of the message
	what   string
	source string

	request  func(*call, *http.Request) // on what the handler gets; nil for nothing
	response func(http.Header)          // on what the client gets; nil for nothing
}

// call is a client's call. The first rows may still mend it; the others read it.
type call struct {
	Invocation
	in                   *http.Request // as the client sent it
	host, scheme, remote string
	destination          string // host and port of the handler
}

// Where the sources' lines are: the package comment says which versions. Those of
// dotnet/runtime were not at hand.
const (
	yarp       = "YARP src/ReverseProxy/"
	hostWeb    = "host src/WebJobs.Script.WebHost/Middleware/"
	hostScript = "host #11035 src/WebJobs.Script/"

	yarpCopy      = yarp + "Forwarder/HttpTransformer.cs:92-102"
	yarpUtilities = yarp + "Forwarder/RequestUtilities.cs:"
	// yarpFirst is the line of the first of YARP's excluded fields; each has one.
	yarpFirst = 65
)

// hostVersion is a version of the real host, that of Core Tools 4.7.
const hostVersion = "4.1045.200"

const traceparent = "Traceparent"

// changes returns the table. In Azure the host also undoes what the front end
// did to a call (host, WebJobsApplicationBuilderExtension.cs:80-83). The order
// counts.
func changes(azure bool) []change {
	var table []change
	if azure {
		table = append(table,
			change{"Disguised-Host", "replaces the call's host, and passes", hostWeb + "AppServiceHeaderFixupMiddleware.cs:25-28", restoreHost, nil},
			change{"X-Forwarded-Proto (in)", "replaces the call's scheme", hostWeb + "AppServiceHeaderFixupMiddleware.cs:30-37", restoreScheme, nil})
	}
	for i, name := range []string{
		"Connection", "Transfer-Encoding", "Keep-Alive", "Upgrade", "Proxy-Connection", "Proxy-Authenticate",
		"Proxy-Authentication-Info", "Proxy-Authorization", "Proxy-Features", "Proxy-Instruction",
		"Security-Scheme", "Alpn", "Close", "Http2-Settings", "Upgrade-Insecure-Requests", "Te", "Alt-Svc",
		"Strict-Transport-Security",
	} {
		table = append(table, change{name, "is dropped both ways", yarpUtilities + strconv.Itoa(yarpFirst+i), drop(name), dropAnswer(name)})
	}
	return append(table,
		change{"Host", "is the handler's address", yarp + "Transforms/RequestHeaderOriginalHostTransform.cs:45-52", setHost, nil},
		change{"X-Forwarded-For", "is the client's address alone", yarp + "Transforms/RequestHeaderXForwardedForTransform.cs:49-55", set("X-Forwarded-For", func(c *call) string { return c.remote }), nil},
		change{"X-Forwarded-Prefix", "is dropped: the path base is empty", yarp + "Transforms/RequestHeaderXForwardedPrefixTransform.cs:43-49", drop("X-Forwarded-Prefix"), nil},
		change{"X-Forwarded-Host", "is the call's host alone", yarp + "Transforms/RequestHeaderXForwardedHostTransform.cs:48-54", set("X-Forwarded-Host", func(c *call) string { return c.host }), nil},
		change{"X-Forwarded-Proto", "is the call's scheme alone", yarp + "Transforms/RequestHeaderXForwardedProtoTransform.cs:48-51", set("X-Forwarded-Proto", func(c *call) string { return c.scheme }), nil},
		change{"Forwarded", "is dropped", yarp + "Transforms/ForwardedTransformExtensions.cs:123-124", drop("Forwarded"), nil},
		change{"X-Azure-Functions-Hostversion", "is set", hostScript + "Workers/Http/DefaultHttpWorkerService.cs:216", set("X-Azure-Functions-Hostversion", func(*call) string { return hostVersion }), nil},
		change{"X-Azure-Functions-Invocationid", "is set", hostScript + "Workers/Http/DefaultHttpWorkerService.cs:217", set("X-Azure-Functions-Invocationid", invocationID), nil},
		change{"X-Ms-Invocation-Id", "is set", hostScript + "Http/DefaultHttpProxyService.cs:101-102", set("X-Ms-Invocation-Id", invocationID), nil},
		change{traceparent, "is added to a call without one, UNVERIFIED", "dotnet/runtime src/libraries/System.Net.Http/src/System/Net/Http/DiagnosticsHandler.cs", set(traceparent, func(c *call) string { return c.Traceparent }), nil},
		change{"path", "is decoded but for %2F, and encoded anew: %2F becomes %252F", yarpUtilities + "125-229", setPath, nil},
		change{"query", "passes byte for byte, ?code= included", yarpUtilities + "119", setQuery, nil},
		change{"User-Agent", "passes; a call without one stays so", hostScript + "Workers/Http/DefaultHttpWorkerService.cs:213-218", nil, nil},
		change{"Authorization", "passes", yarpCopy, nil, nil},
		change{"X-Functions-Key", "passes", yarpCopy, nil, nil},
		change{"Cookie", "passes", hostScript + "Http/DefaultHttpProxyService.cs:34", nil, nil},
		change{"repeated fields", "become one line each", yarpUtilities + "294-303; dotnet/runtime src/libraries/System.Net.Http/src/System/Net/Http/SocketsHttpHandler/HttpConnection.cs", joinRepeated, nil},
	)
}

func drop(name string) func(*call, *http.Request) {
	return func(_ *call, out *http.Request) { out.Header.Del(name) }
}

func dropAnswer(name string) func(http.Header) {
	return func(header http.Header) { header.Del(name) }
}

// set replaces a field, and removes it for an empty value.
func set(name string, value func(*call) string) func(*call, *http.Request) {
	return func(c *call, out *http.Request) {
		out.Header.Del(name)
		if text := value(c); text != "" {
			out.Header.Set(name, text)
		}
	}
}

func invocationID(c *call) string { return c.ID }

func restoreHost(c *call, _ *http.Request) {
	if hosts, ok := c.in.Header["Disguised-Host"]; ok {
		c.host = strings.Join(hosts, ",") // an empty one, too
	}
}

func restoreScheme(c *call, _ *http.Request) {
	if scheme := c.in.Header.Get("X-Forwarded-Proto"); scheme != "" {
		c.scheme = scheme
	}
}

func setHost(c *call, out *http.Request) {
	out.Host = c.destination
	out.URL.Scheme, out.URL.Host = "http", c.destination
}

func setPath(c *call, out *http.Request) {
	out.URL.RawPath = encodePath(c.path)
	out.URL.Path, _ = url.PathUnescape(out.URL.RawPath) // encodePath makes no bad escape
}

func setQuery(c *call, out *http.Request) {
	out.URL.RawQuery = c.in.URL.RawQuery // of which ReverseProxy dropped what it cannot parse
}

// separators are what joins the lines of a field that is no list.
var separators = map[string]string{"User-Agent": " ", "Cookie": "; "}

func joinRepeated(_ *call, out *http.Request) {
	for name, values := range out.Header {
		separator, ok := separators[name]
		if !ok {
			separator = ", "
		}
		if len(values) > 1 {
			out.Header[name] = []string{strings.Join(values, separator)}
		}
	}
}

// newTraceparent makes a sampled W3C Trace Context
// (https://www.w3.org/TR/trace-context/#traceparent-header).
func newTraceparent() string {
	var ids [24]byte
	_, _ = rand.Read(ids[:]) // never fails
	return "00-" + hex.EncodeToString(ids[:16]) + "-" + hex.EncodeToString(ids[16:]) + "-01"
}

// newCall takes a request apart.
func newCall(in *http.Request, destination string) *call {
	invocation, _ := InvocationOf(in.Context())
	remote, _, _ := net.SplitHostPort(in.RemoteAddr) // the server's own text
	return &call{Invocation: invocation, in: in, host: in.Host, scheme: "http", remote: remote, destination: destination}
}
