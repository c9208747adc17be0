//! Table of the operations: each has one method on one path, and one route.

use http::Method;

/// Text in place of the parameters of a path, such that the path is valid.
const EXAMPLES: [(&str, &str); 5] = [
    ("{type}", "type"),
    ("{key}", "key"),
    ("{node}", "node"),
    ("{code}", "code"),
    ("{file}", "file.js"),
];

macro_rules! operations {
    ($($name:ident = $method:ident $path:literal, $id:literal, $summary:literal;)*) => {
        /// Operation of the document.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Operation { $($name,)* }

        impl Operation {
            /// All operations.
            pub(super) const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub(super) fn method(self) -> Method {
                match self { $(Self::$name => Method::$method,)* }
            }

            /// Returns the path, with its parameters in braces.
            pub(super) fn path(self) -> &'static str {
                match self { $(Self::$name => $path,)* }
            }

            /// Returns the unique id: its tag, a dot, and a name.
            pub(super) fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            pub(super) fn summary(self) -> &'static str {
                match self { $(Self::$name => $summary,)* }
            }
        }
    };
}

operations! {
    ListTypes = GET "/v1/types", "types.list", "Lists the types";
    Deploy = POST "/v1/types", "types.deploy", "Uploads a component and makes it current";
    ShowType = GET "/v1/types/{type}", "types.show", "Returns one type and its revisions";
    RemoveType = DELETE "/v1/types/{type}", "types.remove", "Removes a type";
    ShowRollout = GET "/v1/types/{type}/rollout", "types.show_rollout",
        "Returns the progress of each node in the current roll-out";
    RollBack = POST "/v1/types/{type}/rollback", "types.roll_back", "Makes an older revision current";
    Rehearse = POST "/v1/rehearsals", "rehearsals.start",
        "Rehearses a component on the states of real objects";
    ShowRehearsal = GET "/v1/types/{type}/rehearsal", "rehearsals.show",
        "Returns the progress of the last rehearsal that was started through this node";
    ListObjects = GET "/v1/objects/{type}", "objects.list", "Lists the keys of objects in pages";
    Locate = GET "/v1/objects/{type}/{key}/owner", "objects.locate",
        "Returns the owner and status of an object";
    Deactivate = POST "/v1/objects/{type}/{key}/deactivate", "objects.deactivate",
        "Unloads an object from memory";
    LiftQuarantine = DELETE "/v1/objects/{type}/{key}/quarantine", "objects.lift_quarantine",
        "Lifts the quarantine of an object";
    ShowEffects = GET "/v1/objects/{type}/{key}/messages", "objects.show_effects",
        "Lists the undelivered messages, dead letters, alarms and failed alarms of an object";
    RetryMessages = POST "/v1/objects/{type}/{key}/messages/retry", "objects.retry_messages",
        "Sends dead letters again";
    DropMessages = DELETE "/v1/objects/{type}/{key}/messages", "objects.drop_messages",
        "Drops dead letters";
    RetryAlarms = POST "/v1/objects/{type}/{key}/alarms/retry", "objects.retry_alarms",
        "Sets failed alarms again";
    DropAlarms = DELETE "/v1/objects/{type}/{key}/alarms", "objects.drop_alarms",
        "Drops failed alarms";
    FireAlarm = POST "/v1/objects/{type}/{key}/alarms/due", "objects.fire_alarm",
        "Fires the earliest due alarm of an object, if any";
    ListNodes = GET "/v1/nodes", "nodes.list", "Lists the live nodes";
    Drain = POST "/v1/nodes/{node}/drain", "nodes.drain", "Asks a node to hand over its objects";
    Describe = GET "/", "node.describe", "Describes the node and links to its endpoints";
    Health = GET "/healthz", "node.health", "Reports that the process responds";
    Ready = GET "/readyz", "node.ready", "Reports whether the node accepts calls";
    Metrics = GET "/metrics", "node.metrics", "Returns the metrics of the node in Prometheus format";
    ExplainProblem = GET "/problems/{code}", "problems.explain", "Explains an error code";
    ServeFile = GET "/web/{file}", "web.serve", "Returns a static file, if the node serves any";
    DescribeObjects = GET "/v1/openapi.json", "documents.objects",
        "Describes the objects of the types that the caller may see";
    DescribeAdmin = GET "/v1/openapi-admin.json", "documents.admin",
        "Describes all routes for clients that do not call handlers";
}

impl Operation {
    /// Returns a valid path of the operation.
    pub(super) fn example_path(self) -> String {
        EXAMPLES.iter().fold(self.path().to_owned(), |path, (name, text)| path.replace(name, text))
    }

    /// Whether the operation returns a document with an `ETag`.
    pub(super) fn is_tagged(self) -> bool {
        matches!(
            self,
            Self::ListTypes | Self::ShowType | Self::DescribeObjects | Self::DescribeAdmin
        )
    }

    /// Whether the operation is a call to an object that changes it, with the terms of such a call.
    pub(super) fn is_change(self) -> bool {
        matches!(
            self,
            Self::LiftQuarantine
                | Self::RetryMessages
                | Self::DropMessages
                | Self::RetryAlarms
                | Self::DropAlarms
                | Self::FireAlarm
        )
    }
}
