//! Tenants of an actix service: `cargo run -p togglebox-multitenancy --example tenants_actix`, and then
//!
//! ```sh
//! for host in acme.localtest globex.localtest flags.acme.test nobody.localtest; do curl -s -H "Host: $host" localhost:3003; done
//! ```

mod support;

use std::sync::Arc;

use actix_web::error::{ErrorNotFound, ErrorServiceUnavailable};
use actix_web::http::header::HOST;
use actix_web::{App, HttpRequest, HttpServer, web};
use support::Workspace;
use togglebox_multitenancy::{HostRules, ResolveError, Resolver};

type Tenants = web::Data<(HostRules, Resolver<Workspace>)>;

/// Whom a request is for. To the client, a host that is nobody's and one that cannot be are the same.
async fn tenant(tenants: &Tenants, request: &HttpRequest) -> actix_web::Result<Arc<Workspace>> {
    let nobody = || ErrorNotFound("there is nobody here\n");
    let host = request.headers().get(HOST).and_then(|host| tenants.0.read(host.as_bytes()).ok()).ok_or_else(nobody)?;
    let found = tenants.1.resolve(host.key().ok_or_else(nobody)?).await.map_err(|error| match error {
        ResolveError::NotFound => nobody(),
        _ => ErrorServiceUnavailable("try again\n"),
    })?;
    Ok(found.entry)
}

async fn hello(tenants: Tenants, request: HttpRequest) -> actix_web::Result<String> {
    Ok(format!("Hello, {}\n", tenant(&tenants, &request).await?.name))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tenants = web::Data::new((HostRules::new("localtest")?, support::resolver()));
    let app = move || App::new().app_data(Tenants::clone(&tenants)).route("/", web::get().to(hello));
    HttpServer::new(app).bind("127.0.0.1:3003")?.run().await?;
    Ok(())
}
