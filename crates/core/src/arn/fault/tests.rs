//! The words for each fault.

use crate::arn::RoleArn;

#[test]
#[expect(clippy::too_many_lines, reason = "a table with a line for each fault")]
fn every_cause_has_its_own_words() {
    for (text, words) in [
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("arn:aws:iam::${account}:role/r", "placeholder (${)"),
        ("{{ .Values.role }}", "placeholder ({{)"),
        ("arn:aws:iam::<account>:role/r", "placeholder (<)"),
        ("arn:aws:iam::$ACCOUNT:role/r", "placeholder ($)"),
        ("arn:aws:iam::ACCOUNT_ID:role/r", "ACCOUNT_ID in it"),
        ("arn:aws:iam::111122223333:role/r\n", "line feed"),
        (" arn:aws:iam::111122223333:role/r", "at its beginning or end"),
        ("arn:aws:iam:: 111122223333:role/r", "blank inside"),
        ("\"arn:aws:iam::111122223333:role/r\"", "quotes"),
        ("arn:aws:iam::111122223333:role\\/r", "backslash"),
        ("arn:aws:iam::111122223333:role/r/", "ends with a slash"),
        ("ARN:AWS:IAM::111122223333:role/r", "lower case"),
        ("my-role", "bare name"),
        ("role/my-role", "bare path"),
        ("arn:aws:sts::111122223333:assumed-role/r/s", "session"),
        ("arn:aws:iam:111122223333:role/r", "a colon is missing"),
        ("arn:aws:iam:::role/r", "account is missing"),
        ("arn:aws:iam::1111-2222-3333:role/r", "hyphens"),
        ("arn:aws:iam::1.11122223333e+11:role/r", "taken for a number"),
        ("arn:aws:iam::11122223333:role/r", "12 digits but 11"),
        ("arn:aws:iam::111122223333:instance-profile/r", "instance profile"),
        ("arn:aws:iam::111122223333:role:r", "a colon stands where a slash"),
        ("arn:aws:iam::111122223333:role/", "missing after role/"),
        ("arn:aws:iam::111122223333:user/u", "that of a user"),
        ("arn:aws:iam::111122223333:group/g", "that of a group"),
        ("arn:aws:iam::111122223333:policy/p", "that of a policy"),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", "that of a policy"),
        ("arn:aws:iam::111122223333:root", "the account itself"),
        ("arn:aws:iam::111122223333:oidc-provider/oidc.eks.example.com/id/1", "an identity provider"),
        ("arn:aws:eks:eu-west-1:111122223333:podidentityassociation/c/a-1", "an association of EKS Pod Identity"),
        ("arn:aws:iam::111122223333:Role/r", "role/ is not in lower case"),
        ("null", "nobody filled in"),
        ("None", "nobody filled in"),
        ("TODO", "nobody filled in"),
        ("AROAEXAMPLE1234567890", "the ID of a role"),
        ("111122223333", "it is an account"),
        ("(known after apply)", "terraform plan"),
        ("ENC[AES256_GCM,data:abc,type:str]", "encrypted by SOPS"),
        ("arn:aws:iam::111122223333:role/app-*", "has a *"),
        ("arn:aws:iam:us-east-1:111122223333:role/r", "a region"),
        ("eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/r", "the key of the annotation"),
        ("arn:aws:iam::111122223333:role/r # the role", "a comment in it"),
        ("!GetAtt Role.Arn", "a reference to an attribute"),
        ("Role.Arn", "a reference to an attribute"),
        ("aws_iam_role.app.arn", "a reference to an attribute"),
        ("arn:aws:iam::111122223333:role/a,arn:aws:iam::111122223333:role/b", "more than one ARN"),
    ] {
        let error = text.parse::<RoleArn>().unwrap_err();
        assert!(error.to_string().contains(words), "{text:?}: {error}");
        assert!(!error.advice().is_empty());
    }
}
