use highlander_sdk::prelude::*;

#[data]
struct Point {
    x: u64,
    y: u64,
}

enum Oops {
    Empty,
}

impl From<Oops> for Rejection {
    fn from(oops: Oops) -> Rejection {
        match oops {
            Oops::Empty => Rejection::new("empty", "there is nothing"),
        }
    }
}

#[derive(ObjectState)]
struct Map {
    points: Vec<Point>,
}

#[object(type = "treasure-map")]
impl Map {
    const POINTS_MAX: usize = 10;

    fn clear(&mut self) {
        self.points.clear();
    }

    fn mark(&mut self, point: Point) -> Result<usize, Rejection> {
        if self.points.len() == Self::POINTS_MAX {
            reject!("full", "a map has at most {} points", Self::POINTS_MAX);
        }
        self.points.push(point);
        Ok(self.points.len())
    }

    fn mark_at(&mut self, ctx: &Context, x: u64, y: Option<u64>) {
        self.points.push(Point { x, y: y.unwrap_or(ctx.version()) });
    }

    fn first(&self) -> Result<&Point, Oops> {
        self.points.first().ok_or(Oops::Empty)
    }

    fn all(&self) -> &[Point] {
        &self.points
    }

    pub fn tuple(&self) -> (u64, String) {
        (1, String::new())
    }

    fn r#type(&self, _ctx: &highlander_sdk::Context) -> highlander_sdk::Json {
        json!({ "any": "thing" })
    }

    #[cfg(any())]
    fn hidden(&self) -> NoSuchType {
        NoSuchType
    }
}

fn main() {}
