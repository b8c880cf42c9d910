package scim_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"example.com/entra-scim-proxy/proxy/scim"
)

// userList is a ListResponse of at least size bytes in which every rule has
// something to do: every tenth user needs repair, and every location is the
// backend's.
func userList(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":1000,"startIndex":1,"Resources":[`)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		active, manager := "true", `{"value":"26118915-6090-4610-87e4-49d8ca9f808d","displayName":"John Smith"}`
		if i%10 == 0 {
			active, manager = `"True"`, `"26118915-6090-4610-87e4-49d8ca9f808d"`
		}
		fmt.Fprintf(&b, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],`+
			`"id":"2819c223-7f76-453a-919d-%012d","externalId":"70984%d","userName":"bjensen%d@example.com",`+
			`"name":{"formatted":"Ms. Barbara J Jensen, III","familyName":"Jensen","givenName":"Barbara"},"displayName":"Babs Jensen",`+
			`"emails":[{"value":"bjensen%d@example.com","type":"work","primary":true}],"active":%s,"title":"Tour Guide",`+
			`"phoneNumbers":[{"value":"555-555-5555","type":"work"}],`+
			`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"701984","department":"Tour Operations","manager":%s},`+
			`"meta":{"resourceType":"User","created":"2010-01-23T04:56:22Z","lastModified":"2011-05-13T04:42:34Z",`+
			`"location":"https://scim.corp.example.com/scim/v2/Users/2819c223-7f76-453a-919d-%012d"}}`, i, i, i, i, active, manager, i)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// oneUser is the first of a userList.
func oneUser() []byte {
	_, user, _ := bytes.Cut(userList(200), []byte(`"Resources":[`))
	return bytes.TrimSuffix(user, []byte("]}"))
}

// bigGroup is a group of at least size bytes.
func bigGroup(size int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"e9e30dba","displayName":"Staff","members":[`)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"value":"2819c223-7f76-453a-919d-%012d","$ref":"https://scim.corp.example.com/scim/v2/Users/2819c223-7f76-453a-919d-%012d","display":"Babs Jensen"}`, i, i)
	}
	b.WriteString(`],"meta":{"resourceType":"Group","location":"https://scim.corp.example.com/scim/v2/Groups/e9e30dba"}}`)
	return b.Bytes()
}

// unadorned hides that a reader is a bytes.Reader, and is as slow as a network.
type unadorned struct{ io.Reader }

func BenchmarkAnswer(b *testing.B) {
	const size = 8 << 20
	bodies := []struct {
		name  string
		body  []byte
		rules scim.Set
	}{
		{"users", userList(size), scim.AnswerRules &^ (1 << scim.ExcludedMembers)},
		{"group", bigGroup(size), scim.AnswerRules &^ (1 << scim.ExcludedMembers)},
		{"group cut", bigGroup(size), scim.AnswerRules},
		{"one user", oneUser(), scim.AnswerRules},
	}
	for _, body := range bodies {
		b.Run(body.name+"/filter", func(b *testing.B) {
			b.SetBytes(int64(len(body.body)))
			b.ReportAllocs()
			buffer := make([]byte, 32<<10)
			for b.Loop() {
				reader := scim.NewAnswerReader(unadorned{bytes.NewReader(body.body)}, scim.Answer{Rules: body.rules, Locations: locations, Length: int64(len(body.body))})
				if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{reader}, buffer); err != nil || reader.Fired() == 0 {
					b.Fatal(err, reader.Fired())
				}
			}
		})
		b.Run(body.name+"/tokens", func(b *testing.B) {
			b.SetBytes(int64(len(body.body)))
			b.ReportAllocs()
			for b.Loop() {
				decoder := jsontext.NewDecoder(unadorned{bytes.NewReader(body.body)}, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
				for {
					if _, err := decoder.ReadToken(); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		b.Run(body.name+"/map", func(b *testing.B) {
			b.SetBytes(int64(len(body.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.Copy(io.Discard, unadorned{bytes.NewReader(asMap(b, body.body))}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// asMap repairs an answer the plain way.
func asMap(b *testing.B, body []byte) []byte {
	var answer map[string]any
	if err := json.Unmarshal(body, &answer); err != nil {
		b.Fatal(err)
	}
	resources, _ := answer["Resources"].([]any)
	for _, resource := range append(resources, answer) {
		resource, _ := resource.(map[string]any)
		delete(resource, "members")
		if active, ok := resource["active"].(string); ok {
			resource["active"] = active == "True"
		}
		if extension, ok := resource["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"].(map[string]any); ok {
			if manager, ok := extension["manager"].(string); ok {
				extension["manager"] = map[string]any{"value": manager}
			}
		}
		if meta, ok := resource["meta"].(map[string]any); ok {
			if location, ok := meta["location"].(string); ok {
				meta["location"] = locations.Map(location)
			}
		}
	}
	out, err := json.Marshal(answer)
	if err != nil {
		b.Fatal(err)
	}
	return out
}
