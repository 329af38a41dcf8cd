package support

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var block = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")

// YAMLBlocks are the YAML documents that a page shows.
func YAMLBlocks(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(Repository(page))
	if err != nil {
		t.Fatal(err)
	}
	var documents []string
	for _, match := range block.FindAllStringSubmatch(string(text), -1) {
		documents = append(documents, strings.Split(match[1], "\n---\n")...)
	}
	if len(documents) == 0 {
		t.Fatalf("%s shows no YAML", page)
	}
	return documents
}
