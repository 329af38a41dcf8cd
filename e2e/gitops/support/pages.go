package support

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

var kind = regexp.MustCompile(`(?m)^kind: (\w+)$`)

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

// Kind is the kind of a document; empty where it names none.
func Kind(t *testing.T, document string) string {
	t.Helper()
	match := kind.FindStringSubmatch(document)
	if match == nil {
		return ""
	}
	return match[1]
}

// Accepts decodes the documents of these kinds that the pages show, each into a new object of its kind and without fields
// that this does not have. It returns how many there are of each kind.
func Accepts(t *testing.T, pages []string, kinds map[string]func() any) map[string]int {
	t.Helper()
	found := map[string]int{}
	for _, page := range pages {
		for _, document := range Blocks(t, Repository(page), "yaml") {
			kind := Kind(t, document)
			object, known := kinds[kind]
			if !known {
				continue
			}
			found[kind]++
			if err := yaml.UnmarshalStrict([]byte(document), object()); err != nil {
				t.Errorf("%s: %v in\n%s", page, err, document)
			}
		}
	}
	return found
}

// Render renders a chart of this repository with these values, as a release of the chart's name.
func Render(t *testing.T, chart, namespace, values string) string {
	t.Helper()
	command := exec.Command(os.Getenv("HELM"), "template", chart, Repository("charts/"+chart),
		"--namespace", namespace, "--values", "-")
	command.Stdin = strings.NewReader(values)
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s with\n%s\n%v: %s", chart, values, err, output)
	}
	return string(output)
}
