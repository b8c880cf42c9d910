package check

import (
	"context"
	"time"

	"example.com/entra-scim-proxy/proxy/upstream"
)

// secretLimit is how long one secret may take.
const secretLimit = 5 * time.Second

// secretSteps read each secret.
func (c *check) secretSteps() (steps []step) {
	for _, secret := range c.Secrets {
		steps = append(steps, step{
			name: secretStep(secret.Setting), needs: []string{"settings"}, limit: secretLimit,
			run: func(ctx context.Context) Finding { return c.readSecret(ctx, secret) },
		})
	}
	return steps
}

// secretStep is the name of the step that reads a setting's secret.
func secretStep(setting string) string { return "secret " + setting }

func (c *check) readSecret(ctx context.Context, secret Secret) Finding {
	values, err := secret.Read(ctx)
	if err == nil {
		err = c.use(secret.Setting, []byte(values.Current().Reveal()))
	}
	if err != nil {
		return Finding{Status: Fail, Class: "secret_unavailable", Found: "the secret cannot be read", Cause: err.Error()}
	}
	c.keep(secret.Setting, values)
	return Finding{Status: Pass}
}

// use takes a value for what it is.
func (c *check) use(setting string, value []byte) (err error) {
	switch setting {
	case BackendCA:
		c.roots, err = upstream.ParseBundle(value)
	case BackendCert:
		c.identity, err = upstream.ParseIdentity(value)
	}
	return err
}
