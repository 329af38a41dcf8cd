use e2e::ControlPlane;
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cp = ControlPlane::start().await?;
    println!("{:?} {}", cp.start_time(), cp.kubectl(&["get", "nodes,pods,sa", "-A"]).await?);
    println!("{}", e2e::audit::summary(&cp.audit()?));
    if std::env::var("KEEP").is_ok() {
        println!("{}", cp.folder().display());
        std::future::pending::<()>().await;
    }
    Ok(())
}
