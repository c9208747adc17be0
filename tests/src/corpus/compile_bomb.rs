//! Generates small components that pass every check of their shape, but keep a compiler busy.

/// Returns a component whose only function has nested loops, in each of which every local may hold the value of any
/// other local.
#[must_use]
pub fn compile_bomb(locals: usize, loops: usize) -> Vec<u8> {
    let each = |part: &dyn Fn(usize) -> String| (1..=locals).map(part).collect::<String>();
    let types = "i64 ".repeat(locals);
    let loads = each(&|i| format!("local.get 0 i64.load offset={} local.set {i} ", 8 * i));
    let begins = "loop ".repeat(loops);
    let ends = (0..loops).map(|number| {
        let (to, from) = (1 + number % locals, 1 + (number * 7 + 1) % locals);
        format!("local.get {from} local.set {to} local.get 0 br_if 0 end ")
    });
    let ends: String = ends.collect();
    let stores = each(&|i| format!("local.get 0 local.get {i} i64.store offset={} ", 8 * i));
    let body = format!("{loads} {begins} {ends} {stores}");
    let text =
        format!("(component (core module (memory 1) (func (param i32) (local {types}) {body})))");
    wat::parse_str(text).unwrap()
}
