//! The page's first module: mounts the user interface.

fn main() {
    eigenscope_web::app::start();
}
