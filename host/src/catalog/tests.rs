//! Reading a type again after a component could not be made ready, and reads of records that are shared.

use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use bytes::Bytes;
use highlander_core::catalog::deploy::DeployOptions;
use highlander_core::memory::MemoryTotal;
use highlander_testing::fake_engine::FakeEngine;
use highlander_testing::memory::{GetFault, Memory};

use super::records::ListedType;
use super::*;

/// Engine on a machine that is too busy to compile the first component.
#[derive(Debug, Default)]
struct BusyOnce {
    was_busy: AtomicBool,
    engine: FakeEngine,
}

#[async_trait]
impl Engine for BusyOnce {
    async fn load(
        &self,
        digest: Digest,
        wasm: Bytes,
        purpose: &LoadPurpose,
    ) -> Result<Arc<dyn Component>, LoadError> {
        if !self.was_busy.swap(true, Ordering::SeqCst) {
            return Err(LoadError::Busy("the machine is too busy".to_owned()));
        }
        self.engine.load(digest, wasm, purpose).await
    }

    fn memory(&self) -> &Arc<MemoryTotal> {
        self.engine.memory()
    }
}

const COMPONENT: Bytes = Bytes::from_static(b"scripted:counter");

#[tokio::test]
async fn a_revision_is_made_ready_later_if_the_machine_is_too_busy_now() {
    let store = Arc::new(Memory::default());
    let writer = Catalog::new(store.clone(), Arc::new(FakeEngine::new()));
    writer.deploy(COMPONENT, &DeployOptions::default()).await.unwrap();
    let reader = Catalog::new(store, Arc::new(BusyOnce::default()));
    assert_eq!(reader.current("counter").await.unwrap_err().code, ErrorCode::NodeFull);
    assert_eq!(reader.readiness("counter", 1), None, "it is not a revision that cannot run");
    assert_eq!(reader.current("counter").await.unwrap().number, 1);
    assert_eq!(reader.readiness("counter", 1), Some(Ok(())));
}

#[tokio::test]
async fn a_component_that_a_busy_machine_cannot_compile_can_be_sent_again() {
    let catalog = Catalog::new(Arc::new(Memory::default()), Arc::new(BusyOnce::default()));
    let error = catalog.deploy(COMPONENT, &DeployOptions::default()).await.unwrap_err();
    assert_eq!((error.code, error.retry_after), (ErrorCode::NodeFull, Some(COMPILE_RETRY)));
    assert!(catalog.listed(|_| true).await.unwrap().is_empty(), "nothing was deployed");
    assert!(catalog.deploy(COMPONENT, &DeployOptions::default()).await.unwrap().is_new());
}

/// Returns a catalog over a store to which another one has deployed these types.
async fn reader(types: &[&str]) -> (Arc<Memory>, Catalog) {
    let store = Arc::new(Memory::default());
    let writer = Catalog::new(store.clone(), Arc::new(FakeEngine::new()));
    for name in types {
        let component = format!("scripted:{name}").into();
        writer.deploy(component, &DeployOptions::default()).await.unwrap();
    }
    (store.clone(), Catalog::new(store, Arc::new(FakeEngine::new())))
}

fn names(listed: &[ListedType]) -> Vec<&str> {
    listed.iter().map(|one| one.name.as_str()).collect()
}

#[tokio::test]
async fn nothing_is_read_of_the_types_that_are_not_asked_for() {
    let (store, catalog) = reader(&["counter", "large", "other"]).await;
    store.plant("types/half.json", Bytes::from_static(b"{"));
    let before = store.get_count();
    assert!(catalog.listed(|_| false).await.unwrap().is_empty());
    assert_eq!((store.get_count() - before, catalog.decoded_count()), (0, 0));
    let listed = catalog.listed(|name| name.as_str() == "other").await.unwrap();
    assert_eq!(names(&listed), ["other"]);
    assert_eq!((store.get_count() - before, catalog.decoded_count()), (1, 1));
    let all = catalog.listed(|_| true).await.unwrap();
    assert_eq!(names(&all), ["counter", "half", "large", "other"]);
    assert!(all[1].record.as_ref().is_err_and(|why| why.contains("damaged")), "{all:?}");
    assert_eq!(catalog.decoded_count(), 4, "each record once");
    catalog.listed(|_| true).await.unwrap();
    assert_eq!(catalog.decoded_count(), 4, "not even the damaged one is decoded again");
}

#[tokio::test]
async fn a_type_that_this_node_uses_is_listed_from_memory_until_changes_may_be_missed() {
    let (store, catalog) = reader(&["counter"]).await;
    catalog.current("counter").await.unwrap();
    let before = store.get_count();
    for _ in 0..3 {
        assert_eq!(names(&catalog.listed(|_| true).await.unwrap()), ["counter"]);
    }
    assert_eq!(store.get_count(), before, "the list alone was read");
    catalog.invalidate();
    catalog.listed(|_| true).await.unwrap();
    assert_eq!((store.get_count(), catalog.decoded_count()), (before + 1, 1));
}

#[tokio::test(start_paused = true)]
async fn readers_at_the_same_time_share_a_read_and_get_what_the_store_holds() {
    let (store, catalog) = reader(&["counter"]).await;
    let before = store.get_count();
    store.script_gets([GetFault::Delay(Duration::from_millis(10))]);
    let reading = (0..30).map(|_| catalog.revisions("counter"));
    let all = futures_util::future::join_all(reading).await;
    assert!(all.iter().all(|record| record.as_ref().unwrap().current == 1));
    assert_eq!(store.get_count() - before, 2, "the first one, and one for all that came during it");
    assert_eq!(catalog.decoded_count(), 1);
    let writer = Catalog::new(store.clone(), Arc::new(FakeEngine::new()));
    let second = Bytes::from_static(b"scripted:counter second");
    writer.deploy(second, &DeployOptions::default()).await.unwrap();
    assert_eq!(catalog.revisions("counter").await.unwrap().revisions.len(), 2);
    assert_eq!(catalog.decoded_count(), 2);
    assert_eq!(catalog.revisions("nothing").await.unwrap_err().code, ErrorCode::UnknownType);
    assert!(catalog.records.is_unknown("nothing"), "names that do not exist are not kept");
}
