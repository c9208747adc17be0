//! Baseline a: an axum handler that responds with a constant.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;

pub(super) fn router() -> Router {
    let answer = async || ([(CONTENT_TYPE, "application/json")], "1");
    Router::new().route("/v1/objects/{type}/{key}/{handler}", post(answer))
}
