//! The image, if `make image-test` has built it.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e::container::Image;
use e2e::{ControlPlane, Namespace};
use serde_json::Value;

use super::user::User;
use crate::world::World;

/// Environment variable that locates the image: `FOLDER:TAG` of an OCI layout.
const VARIABLE: &str = "PODIDENTITY_IMAGE";

/// Whether there is an image to test.
pub(crate) fn is_there() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

pub(crate) async fn works(_: Arc<World>, _: Namespace) -> Result<()> {
    let image = std::env::var(VARIABLE).with_context(|| format!("{VARIABLE} is not set: make image-test sets it"))?;
    let control_plane = ControlPlane::start().await?;
    let user = User::in_namespace(&control_plane, "users").await?;
    control_plane.apply_folder("config/default").await?;
    control_plane.install_injection().await?;

    let image = Image::unpack(&image, control_plane.folder().join("image"))?;
    ensure!(image.files()? == ["podidentity-operator", "sbom.cdx.json"], "files: {:?}", image.files()?);
    ensure!(image.process()["user"]["uid"] == 65532, "user: {}", image.process()["user"]);
    let bill: Value = serde_json::from_slice(&std::fs::read(image.root().join("sbom.cdx.json"))?)?;
    ensure!(bill["bomFormat"] == "CycloneDX", "not a bill of materials");
    let components = bill["components"].as_array().context("the bill of materials has no components")?;
    ensure!(components.iter().any(|it| it["name"] == "kube"), "the bill of materials does not list kube");
    let tests_only = components.iter().find(|it| it["name"] == "proptest");
    ensure!(tests_only.is_none(), "the bill of materials lists what only tests use");

    let (operator, container) = image.start(&control_plane).await?;
    user.bind(&control_plane, &operator).await?;
    operator.terminate().await?;
    drop(container);
    Ok(())
}
