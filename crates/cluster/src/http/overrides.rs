//! Connection flags of the command line, as kubectl defines them. They override the kubeconfig, or
//! replace it if there is none.

use std::collections::BTreeMap;

use kube::config::{AuthInfo, Cluster, Context, KubeConfigOptions, Kubeconfig};
use kube::config::{NamedAuthInfo, NamedCluster, NamedContext};

/// Name of the context, cluster and user that the flags create.
const NAME: &str = "command line";

/// Values of kubectl's connection flags; `None` keeps the kubeconfig's value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// URL of the API server.
    pub server: Option<String>,
    /// Path of the PEM file with the API server's certificate authorities.
    pub certificate_authority: Option<String>,
    /// Whether to skip the check of the API server's certificate.
    pub insecure_skip_tls_verify: bool,
    /// The host name that the API server's certificate must have.
    pub tls_server_name: Option<String>,
    /// Bearer token.
    pub token: Option<String>,
    /// Path of the client's certificate, PEM.
    pub client_certificate: Option<String>,
    /// Path of the client's key, PEM.
    pub client_key: Option<String>,
}

impl Overrides {
    /// Whether the flags override nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds a current context that applies these values to the kubeconfig. It keeps the namespace
    /// of the kubeconfig's context. Without a context in the kubeconfig, the flags alone apply.
    #[must_use]
    pub fn put_into(&self, mut config: Kubeconfig, chosen: &KubeConfigOptions) -> Kubeconfig {
        let context = chosen.context.as_ref().or(config.current_context.as_ref());
        let context = config.contexts.iter().find(|it| Some(&it.name) == context).and_then(|it| it.context.clone());
        let cluster = chosen.cluster.as_ref().or(context.as_ref().map(|it| &it.cluster));
        let cluster = config.clusters.iter().find(|it| Some(&it.name) == cluster).and_then(|it| it.cluster.clone());
        let user = chosen.user.as_ref().or(context.as_ref().and_then(|it| it.user.as_ref()));
        let user = config.auth_infos.iter().find(|it| Some(&it.name) == user).and_then(|it| it.auth_info.clone());
        config.clusters.push(NamedCluster {
            name: NAME.to_owned(),
            cluster: Some(self.cluster(cluster.unwrap_or_default())),
            other: BTreeMap::default(),
        });
        config.auth_infos.push(NamedAuthInfo {
            name: NAME.to_owned(),
            auth_info: Some(self.user(user.unwrap_or_default())),
            other: BTreeMap::default(),
        });
        let context = Context {
            cluster: NAME.to_owned(),
            user: Some(NAME.to_owned()),
            namespace: context.and_then(|it| it.namespace),
            ..Context::default()
        };
        config.contexts.push(NamedContext {
            name: NAME.to_owned(),
            context: Some(context),
            other: BTreeMap::default(),
        });
        config.current_context = Some(NAME.to_owned());
        config
    }

    fn cluster(&self, mut cluster: Cluster) -> Cluster {
        if self.server.is_some() {
            cluster.server.clone_from(&self.server);
            // The TLS server name belongs to the replaced server. The authority may be the same.
            cluster.tls_server_name = None;
        }
        if self.certificate_authority.is_some() {
            cluster.certificate_authority.clone_from(&self.certificate_authority);
            cluster.certificate_authority_data = None;
        }
        if self.insecure_skip_tls_verify {
            cluster.insecure_skip_tls_verify = Some(true);
            (cluster.certificate_authority, cluster.certificate_authority_data) = (None, None);
        }
        if self.tls_server_name.is_some() {
            cluster.tls_server_name.clone_from(&self.tls_server_name);
        }
        cluster
    }

    fn user(&self, mut user: AuthInfo) -> AuthInfo {
        if let Some(token) = &self.token {
            // As in kubectl, a token on the command line replaces all other credentials.
            user = AuthInfo { token: Some(token.clone().into()), ..AuthInfo::default() };
        }
        if self.client_certificate.is_some() {
            user.client_certificate.clone_from(&self.client_certificate);
            user.client_certificate_data = None;
        }
        if self.client_key.is_some() {
            user.client_key.clone_from(&self.client_key);
            user.client_key_data = None;
        }
        user
    }
}

#[cfg(test)]
mod tests {
    use kube::config::KubeConfigOptions;

    use super::*;

    const KUBECONFIG: &str = r#"{
        "current-context": "one",
        "clusters": [{"name": "c", "cluster": {"server": "https://one:6443", "certificate-authority-data": "QQ==",
            "tls-server-name": "one", "proxy-url": "http://proxy:3128"}}],
        "users": [{"name": "u", "user": {"client-certificate-data": "QQ==", "client-key-data": "QQ=="}}],
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}]
    }"#;

    fn resolved(config: Kubeconfig, overrides: &Overrides) -> (Cluster, AuthInfo, Context) {
        let config = overrides.put_into(config, &KubeConfigOptions::default());
        let current = config.current_context.unwrap();
        let context = config.contexts.into_iter().find(|it| it.name == current).unwrap().context.unwrap();
        let cluster = config.clusters.into_iter().find(|it| it.name == context.cluster).unwrap().cluster.unwrap();
        let user = config.auth_infos.into_iter().find(|it| Some(&it.name) == context.user.as_ref()).unwrap();
        (cluster, user.auth_info.unwrap(), context)
    }

    fn kubeconfig() -> Kubeconfig {
        serde_json::from_str(KUBECONFIG).unwrap()
    }

    #[test]
    fn another_server_keeps_authority_proxy_user_and_namespace() {
        let overrides = Overrides { server: Some("https://two:6443".to_owned()), ..Overrides::default() };
        let (cluster, user, context) = resolved(kubeconfig(), &overrides);
        assert_eq!(cluster.server.as_deref(), Some("https://two:6443"));
        assert_eq!(cluster.certificate_authority_data.as_deref(), Some("QQ=="));
        assert_eq!(cluster.proxy_url.as_deref(), Some("http://proxy:3128"));
        assert_eq!(cluster.tls_server_name, None);
        assert!(user.client_certificate_data.is_some());
        assert_eq!(context.namespace.as_deref(), Some("shop"));
    }

    #[test]
    fn a_token_takes_the_place_of_the_certificate() {
        let overrides = Overrides { token: Some("secret".to_owned()), ..Overrides::default() };
        let (cluster, user, _) = resolved(kubeconfig(), &overrides);
        assert_eq!(cluster.server.as_deref(), Some("https://one:6443"));
        assert!(user.token.is_some() && user.client_certificate_data.is_none());
    }

    #[test]
    fn a_check_that_is_left_out_needs_no_authority() {
        let overrides = Overrides { insecure_skip_tls_verify: true, ..Overrides::default() };
        let (cluster, _, _) = resolved(kubeconfig(), &overrides);
        assert_eq!((cluster.insecure_skip_tls_verify, cluster.certificate_authority_data), (Some(true), None));
    }

    #[test]
    fn flags_stand_alone_where_there_is_no_kubeconfig() {
        let overrides = Overrides {
            server: Some("https://two:6443".to_owned()),
            token: Some("secret".to_owned()),
            ..Overrides::default()
        };
        let (cluster, user, context) = resolved(Kubeconfig::default(), &overrides);
        assert_eq!(cluster.server.as_deref(), Some("https://two:6443"));
        assert!(user.token.is_some() && context.namespace.is_none());
    }
}
