//! Reading a type again after a component could not be made ready.

use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use bytes::Bytes;
use highlander_core::catalog::deploy::DeployOptions;
use highlander_core::memory::MemoryTotal;
use highlander_testing::fake_engine::FakeEngine;
use highlander_testing::memory::Memory;

use super::*;

/// Engine on a machine that is too busy to compile the first component.
#[derive(Debug, Default)]
struct BusyOnce {
    was_busy: AtomicBool,
    engine: FakeEngine,
}

#[async_trait]
impl Engine for BusyOnce {
    async fn load(&self, digest: Digest, wasm: Bytes) -> Result<Arc<dyn Component>, LoadError> {
        if !self.was_busy.swap(true, Ordering::SeqCst) {
            return Err(LoadError::Busy("the machine is too busy".to_owned()));
        }
        self.engine.load(digest, wasm).await
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
    assert!(catalog.types().await.unwrap().records.is_empty(), "nothing was deployed");
    assert!(catalog.deploy(COMPONENT, &DeployOptions::default()).await.unwrap().is_new());
}
