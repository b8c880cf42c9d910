package attack

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"sync"
	"testing"
)

// coding is a body with the fields that say how it is coded.
type coding struct {
	id     string
	fields []string
	body   []byte
	status int // where rules apply; 0 passes
}

// codings are bodies that would have to be decoded to be read, or pretend that
// they would.
var codings = sync.OnceValue(func() []coding {
	plain := []byte(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"adele@contoso.com"}`)
	zeros := make([]byte, 10<<20)
	small, bomb := gzipped(plain), gzipped(zeros)
	var list []coding
	for _, each := range []struct {
		id   string
		body []byte
	}{
		{"gzip", small}, {"gzip", bomb}, {"x-gzip", bomb}, {"GZIP", bomb}, {"gzip", gzipped(bomb)}, {"gzip, gzip", gzipped(bomb)}, {"gzip", append(bytes.Clone(small), small...)}, {"gzip", small[:len(small)/2]}, {"gzip", []byte("no gzip")}, {"gzip", plain},
		{"deflate", deflated(zeros)}, {"deflate", zlibbed(zeros)}, {"br", []byte("\x0b\x2c\x80plain\x03")}, {"zstd", []byte("\x28\xb5\x2f\xfd\x00\x00\x01\x00\x00")}, {"compress", []byte("\x1f\x9d\x90")}, {"dcb", plain},
		{"x-unknown", plain}, {"identity, gzip", bomb}, {"gzip, identity", bomb}, {",gzip,", bomb}, {"gzip;q=1", bomb}, {"\"gzip\"", bomb}, {"chunked", plain}, {"*", plain}, {"utf-8", plain}, {"aes128gcm", plain},
	} {
		list = append(list, coding{each.id, []string{"Content-Encoding: " + each.id}, each.body, http.StatusUnsupportedMediaType})
	}
	return append(list,
		coding{"identity and gzip, a line each", []string{"Content-Encoding: identity", "Content-Encoding: gzip"}, bomb, http.StatusUnsupportedMediaType},
		coding{"gzip twice, a line each", []string{"Content-Encoding: gzip", "Content-Encoding: gzip"}, bomb, http.StatusUnsupportedMediaType},
		coding{"identity", []string{"Content-Encoding: identity"}, plain, 0},
		coding{"Identity, identity", []string{"Content-Encoding: Identity, identity"}, plain, 0},
		coding{"identity, and it is gzip", []string{"Content-Encoding: identity"}, bomb, http.StatusBadRequest},
		coding{"no word of it, and it is gzip", nil, bomb, http.StatusBadRequest},
		coding{"no word of it, and it is deflate", nil, deflated(zeros), http.StatusBadRequest},
		coding{"Transfer-Encoding's word for it", []string{"TE: gzip"}, bomb, http.StatusBadRequest},
	)
})

func gzipped(content []byte) []byte {
	return compressed(content, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}

func zlibbed(content []byte) []byte {
	return compressed(content, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
}

func deflated(content []byte) []byte {
	return compressed(content, func(w io.Writer) io.WriteCloser {
		writer, err := flate.NewWriter(w, flate.BestSpeed)
		if err != nil {
			panic(err) // the level is one
		}
		return writer
	})
}

// compressed is content as a writer makes it, in memory, where nothing fails.
func compressed(content []byte, make func(io.Writer) io.WriteCloser) []byte {
	var out bytes.Buffer
	writer := make(&out)
	_, _ = writer.Write(content)
	_ = writer.Close()
	return out.Bytes()
}

// tryCodings sends each where a rule would read it, and where none would. What
// is coded is never decoded: it is refused, or passes as it is.
func tryCodings(t *testing.T, w *world, ruled bool) {
	var trials []trial
	for _, c := range codings() {
		read := trial{name: c.id + ", read", line: "POST /scim/Users?attributes={mark}", body: c.body, fields: c.fields, passes: true}
		if ruled && c.status > 0 {
			read.want, read.passes = []int{c.status}, false
		}
		passed := read
		passed.name, passed.line, passed.passes = c.id+", passed on", "POST /scim/Bulk?attributes={mark}", true
		trials = append(trials, read, passed)
	}
	w.try(t, trials)
}
