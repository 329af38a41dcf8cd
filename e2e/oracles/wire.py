"""Has the AWS command line and IAM's API, as moto serves them, print roles, and the plugin read what they print.

usage: wire.py PLUGIN, with moto's server and the command line (awscli) on PYTHONPATH.
"""

import json
import logging
import os
import re
import subprocess
import sys
import threading
import urllib.request
from urllib.parse import urlencode

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

ISSUER = "https://oidc.example.com/id/1"
PROVIDER = ISSUER.removeprefix("https://")
SUBJECT = "system:serviceaccount:shop:web"


def policy(subject, arn):
    equals = {f"{PROVIDER}:sub": subject, f"{PROVIDER}:aud": "sts.amazonaws.com"}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": equals},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def serve():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def main():
    plugin = sys.argv[1]
    endpoint = serve()
    environment = dict(
        os.environ, AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_DEFAULT_REGION="eu-central-1", AWS_PAGER=""
    )

    def aws(*words):
        command = [sys.executable, "-m", "awscli", "--endpoint-url", endpoint, *words]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    def trust(text, *words):
        command = [plugin, "trust", "-f", "-", "--issuer", ISSUER, "--subject", SUBJECT, *words]
        return subprocess.run(command, input=text, capture_output=True, text=True)

    def expect(what, outcome, status):
        if outcome.returncode != status:
            sys.exit(f"{what}: exit status {outcome.returncode} instead of {status}\n{outcome.stdout}{outcome.stderr}")
        print(f"{what}: {status}")

    made = json.loads(aws("iam", "create-open-id-connect-provider", "--url", ISSUER, "--client-id-list",
                          "sts.amazonaws.com", "--thumbprint-list", "a" * 40))
    arn = made["OpenIDConnectProviderArn"]
    with open("provider.json", "w", encoding="utf-8") as file:
        file.write(aws("iam", "get-open-id-connect-provider", "--open-id-connect-provider-arn", arn))

    made = aws("iam", "create-role", "--role-name", "shop", "--assume-role-policy-document",
               policy("system:serviceaccount:shop:api", arn))
    expect("create-role", trust(made), 1)
    printed = aws("iam", "get-role", "--role-name", "shop")
    expect("get-role", trust(printed), 1)
    query = aws("iam", "get-role", "--role-name", "shop", "--query", "Role.AssumeRolePolicyDocument")
    expect("get-role --query", trust(query), 1)

    with open("trust.json", "w", encoding="utf-8") as file:
        file.write(trust(printed, "-o", "policy").stdout)
    aws("iam", "update-assume-role-policy", "--role-name", "shop", "--policy-document", "file://trust.json")
    printed = aws("iam", "get-role", "--role-name", "shop")
    expect("corrected", trust(printed), 0)
    expect("corrected, with the provider", trust(printed, "--provider", "provider.json"), 0)
    expect("corrected, with the provider and another audience",
           trust(printed, "--provider", "provider.json", "--audience", "vault"), 1)

    # The API itself, which percent-encodes the document.
    form = urlencode({"Action": "GetRole", "Version": "2010-05-08", "RoleName": "shop"}).encode()
    request = urllib.request.Request(endpoint, form, {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260102/"
                                     "us-east-1/iam/aws4_request, SignedHeaders=host, Signature=x"})
    with urllib.request.urlopen(request) as answer:
        encoded = re.search(r"<AssumeRolePolicyDocument>(.*?)</", answer.read().decode(), re.DOTALL).group(1)
    if "%7B" not in encoded:
        sys.exit(f"the API does not encode the document: {encoded}")
    expect("the API's document", trust(encoded), 0)


main()
