"""Answers what ministack's IAM model makes of trust policies.

Each line of standard input is a JSON object with policy (the document as text), provider (its URL without scheme), arn (of
the provider), subject and audience. Each line of standard output is Allow or Deny.
"""

import json
import sys

from ministack.core.iam_evaluator import EvalContext, evaluate_trust_policy


def answer(question):
    keys = {f"{question['provider']}:sub": question["subject"], f"{question['provider']}:aud": question["audience"]}
    context = EvalContext(
        principal_arn=question["arn"],
        principal_type="WebIdentityUser",
        principal_account="111122223333",
        action="sts:AssumeRoleWithWebIdentity",
        resource_arn="arn:aws:iam::111122223333:role/shop",
        region="eu-central-1",
        secure_transport=True,
        service_context={key.lower(): value for key, value in keys.items()},
    )
    return "Allow" if evaluate_trust_policy(question["policy"], question["arn"], context) else "Deny"


for line in sys.stdin:
    print(answer(json.loads(line)))
