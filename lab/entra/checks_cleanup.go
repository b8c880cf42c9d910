package entra

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// cleanUpTime bounds the removal of what one check made.
const cleanUpTime = 20 * time.Second

// wantRemoved are the statuses of a resource that is gone now.
var wantRemoved = []int{http.StatusNoContent, http.StatusOK, http.StatusNotFound}

// cleanUp removes what the steps made, the last first, whether or not the
// context has ended. It returns its own calls, and what could not be removed,
// for people.
func (c *Client) cleanUp(ctx context.Context, m *memory, steps []step, calls []Call) (own []Call, left string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer cancel()
	gone := map[string]bool{} // by request target
	for _, call := range calls {
		if call.Method == http.MethodDelete && call.OK {
			gone[call.Path] = true
		}
	}
	var remain []string
	for i, s := range slices.Backward(steps) {
		if s.method != http.MethodPost || calls[i].Skipped {
			continue
		}
		ids := []string{m.ids[s.keep]}
		if ids[0] == "" {
			if refused := calls[i].Status >= 400 && calls[i].Status < 500; refused {
				continue
			}
			var look Call
			ids, look = c.lost(ctx, s.path, calls[i].Sent)
			if own = append(own, look); !look.OK {
				remain = append(remain, "perhaps what \""+s.name+"\" made")
			}
		}
		for _, id := range ids {
			target := c.tenant.target(s.path+"/"+url.PathEscape(id), "")
			if gone[target] {
				continue
			}
			removal := c.remove(ctx, m, s.path+"/"+url.PathEscape(id))
			if own = append(own, removal); !removal.OK {
				remain = append(remain, removal.Path)
			}
			gone[target] = true
		}
	}
	return own, strings.Join(remain, ", ")
}

// remove deletes a resource and is content if there is none.
func (c *Client) remove(ctx context.Context, m *memory, path string) Call {
	return c.take(ctx, m, step{name: "clean up", method: http.MethodDelete, path: path, want: wantRemoved, given: true})
}

// lost looks for what a POST made whose answer does not tell an id, or did not
// come. Only resources that have the name that was sent are returned, by their
// ids: a backend may not know the filter and show everybody.
func (c *Client) lost(ctx context.Context, path string, sent []byte) (ids []string, look Call) {
	type named struct{ ID, UserName, DisplayName string }
	var posted named
	if err := json.Unmarshal(sent, &posted); err != nil {
		return nil, Call{Step: "look for what was made", Detail: oneLine(err)}
	}
	query := equals("", "userName", posted.UserName)
	if posted.UserName == "" {
		query = equals("members", "displayName", posted.DisplayName)
	}
	look = c.take(ctx, c.newMemory(), step{
		name: "look for what was made", method: http.MethodGet, path: path, query: query, want: wantOK,
		judge: func(_ *memory, body map[string]any) error {
			encoded, err := json.Marshal(body["Resources"])
			if err != nil {
				return err
			}
			var found []named
			if err := json.Unmarshal(encoded, &found); err != nil {
				return err
			}
			for _, each := range found {
				same := strings.EqualFold(each.UserName, posted.UserName)
				if posted.UserName == "" {
					same = strings.EqualFold(each.DisplayName, posted.DisplayName)
				}
				if same && each.ID != "" {
					ids = append(ids, each.ID)
				}
			}
			return nil
		},
	})
	return ids, look
}
