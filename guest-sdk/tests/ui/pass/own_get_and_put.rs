use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Secret {
    value: String,
}

#[object(get = false, put = false)]
impl Secret {
    fn get(&self) -> usize {
        self.value.len()
    }

    fn put(&mut self, value: String) {
        self.value = value;
    }
}

fn main() {}
