module podidentity.dev/e2e/gitops/support

go 1.26.0
