use highlander_sdk::prelude::*;

#[derive(ObjectState)]
struct Todo {
    title: String,
}

#[object]
impl Todo {
    fn set<T: Into<String>>(&mut self, title: T) {
        self.title = title.into();
    }

    fn check(&self)
    where
        Todo: Sized,
    {
    }
}

fn main() {}
