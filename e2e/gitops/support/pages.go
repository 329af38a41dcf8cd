package support

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var block = regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```$")

// Blocks are the documents that a page shows in blocks of this language.
func Blocks(t *testing.T, page, language string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var documents []string
	for _, match := range block.FindAllStringSubmatch(string(text), -1) {
		if match[1] == language {
			documents = append(documents, strings.Split(match[2], "\n---\n")...)
		}
	}
	return documents
}
