//! The compute worker's module: readers, mathematics and WebGPU behind one exported function.

use wasm_bindgen::prelude::*;

fn main() {
    console_error_panic_hook::set_once();
}

/// Answers one message of the page (see [`eigenscope_web::protocol`]).
#[wasm_bindgen]
pub async fn handle(message: JsValue) {
    eigenscope_web::worker::handle(message).await;
}
