package check

// written are the resources that a run has created.
type written struct{}

// writeSteps create a user and a group.
func (c *check) writeSteps() []step { return nil }

// shapeSteps change and delete them.
func (c *check) shapeSteps() []step { return nil }
