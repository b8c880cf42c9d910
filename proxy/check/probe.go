package check

// probeSteps ask the backend what Entra asks first.
func (c *check) probeSteps() []step { return nil }

// frontSteps ask the same through the proxy.
func (c *check) frontSteps() []step { return nil }
