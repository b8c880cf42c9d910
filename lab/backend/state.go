package backend

// AddUser stores a user whom nobody provisioned, as a first sign-in or an
// administrator of the product does, and returns its id. The resource is
// decoded JSON, checked as the body of a POST is, but needs no schemas. Errors
// say what is wrong with it, or that its userName is taken.
func (b *Backend) AddUser(resource map[string]any) (id string, err error) {
	own, err := userType.canonical(resource)
	if err != nil {
		return "", err
	}
	doc, err := b.store.create(userType, own, nothing)
	return textOf(doc["id"]), err
}

// DeleteUser deletes a user as an administrator of the product does, groups
// and all, and reports whether there was one. Names are compared as userName
// is, without regard to case (RFC 7643 section 4.1.1).
func (b *Backend) DeleteUser(userName string) bool {
	return b.store.removeNamed(userType, userName)
}
