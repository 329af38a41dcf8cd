// Command versitygw answers what the IAM model of versitygw makes of trust policies.
//
// Each line of standard input is a JSON object with policy (the document as text), provider (its URL without scheme),
// arn (of the provider), subject and audience. Each line of standard output is Allow or Deny.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/versity/versitygw/iamapi/policy"
)

type question struct {
	Policy   string `json:"policy"`
	Provider string `json:"provider"`
	Arn      string `json:"arn"`
	Subject  string `json:"subject"`
	Audience string `json:"audience"`
}

func answer(q question) string {
	// Every provider of an ARN exists, so that each statement is judged.
	lookup := func(arn string) (string, bool) {
		_, url, found := strings.Cut(arn, ":oidc-provider/")
		if arn != q.Arn {
			url = "another." + url
		}
		return url, found
	}
	context := policy.WebIdentityContext{
		ProviderURL: q.Provider, Audience: q.Audience, Subject: q.Subject, Secure: true,
	}
	if match, _ := policy.EvaluateWebIdentityTrust(q.Policy, lookup, context); match == policy.Allowed {
		return "Allow"
	}
	return "Deny"
}

func run() error {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			return fmt.Errorf("%s: %w", in.Text(), err)
		}
		fmt.Fprintln(out, answer(q))
		// Whoever asks one question at a time waits for the answer.
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return in.Err()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "versitygw:", err)
		os.Exit(1)
	}
}
