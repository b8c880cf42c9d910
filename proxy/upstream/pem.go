package upstream

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
)

// certificateBlock is the type of PEM block that holds a certificate (RFC 7468
// section 5).
const certificateBlock = "CERTIFICATE"

var beginMarker = []byte("-----BEGIN ")

// unwrap returns the PEM text that text is, or is the base64 of.
func unwrap(text []byte) ([]byte, error) {
	if bytes.Contains(text, beginMarker) {
		return text, nil
	}
	decoded, ok := fromBase64(text)
	if !ok || !bytes.Contains(decoded, beginMarker) {
		return nil, errors.New("no PEM block and no base64 of one")
	}
	return decoded, nil
}

func fromBase64(text []byte) (decoded []byte, ok bool) {
	decoded, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(text), nil)))
	return decoded, err == nil
}

// looksLikePEM finds what is left of a block that lost its begin marker: a
// marker of any spelling, or a line of base64 as long as those of a block.
var looksLikePEM = regexp.MustCompile(`(?i)-(BEGIN|END)[ -]|BEGIN.CERTIFICATE|(?m)^[0-9A-Za-z+/=]{60,}\s*$`)

// eachBlock calls visit with each PEM block and its place, from 1 on. A block
// that cannot be read, or has lost its first line, is an error.
func eachBlock(text []byte, visit func(place int, block *pem.Block) error) error {
	before, parts := split(text)
	if looksLikePEM.Match(before) {
		return errors.New("the text before PEM block 1 looks like another block with a broken first line")
	}
	for i, part := range parts {
		block, rest := pem.Decode(part)
		if block == nil {
			return fmt.Errorf("PEM block %d: not readable as PEM (cut off, or line breaks lost?)", i+1)
		}
		if err := visit(i+1, block); err != nil {
			return fmt.Errorf("PEM block %d: %w", i+1, err)
		}
		if looksLikePEM.Match(rest) {
			return fmt.Errorf("the text after PEM block %d looks like another block with a broken first line", i+1)
		}
	}
	return nil
}

// split cuts a text in front of each begin marker, so that a broken block
// cannot hide: pem.Decode would silently go on to the next good one.
func split(text []byte) (before []byte, blocks [][]byte) {
	parts := bytes.Split(text, beginMarker)
	for _, part := range parts[1:] {
		blocks = append(blocks, append(bytes.Clone(beginMarker), part...))
	}
	return parts[0], blocks
}
