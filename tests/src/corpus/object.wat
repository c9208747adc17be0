;; The smallest object, with places (in capitals between @) for everything that an entry of the corpus replaces.
;;
;; Memory: 256 holds results, 512 the JSON `true`, 1024 the description; arguments begin at @HEAP@.
(component $C
@IMPORTS@
  (core module $storage
    (memory (export "memory") @MEMORY@)
    (global $free (mut i32) (i32.const @HEAP@))
    (func (export "reset") (global.set $free (i32.const @HEAP@)))
    (func $realloc (export "realloc") (param $old i32) (param $length i32) (param $align i32) (param $size i32)
      (result i32)
      (local $at i32)
      @REALLOC@))
  (core instance $storage (instantiate $storage))
@LOWERED@
  (core module $module
    (import "storage" "memory" (memory 1))
    (import "storage" "reset" (func $reset))
@HOST@
    (data (i32.const 512) "true")
    (data (i32.const 1024) "@DESCRIPTION@")
    (func $answer (param $at i32) (param $length i32) (result i32)
      (call $reset)
      (i32.store8 (i32.const 256) (i32.const 0))
      (i32.store (i32.const 260) (local.get $at))
      (i32.store (i32.const 264) (local.get $length))
      (i32.const 256))
    @MODULE@
    (func (export "describe") (result i32)
      @DESCRIBE@)
    (func (export "restore")
      (param i32 i32 i32 i32) (param $is-there i32) (param $at i32) (param $length i32) (param i32) (result i32)
      @RESTORE@)
    (func (export "snapshot") (result i32)
      @SNAPSHOT@)
    (func (export "handle")
      (param i32 i32) (param $argument i32) (param $length i32) (param $version i64)
      (param i32 i32 i32 i32 i32) (param i32 i64 i32 i64) (result i32)
      @HANDLE@))
  (core instance $core (instantiate $module
    (with "storage" (instance $storage))
    (with "host" (instance @PASSED@))))

  (type $object-id-record (record (field "type" string) (field "key" string)))
  (export $object-id "object-id" (type $object-id-record))
  (type $handler-kind-enum (enum "update" "query"))
  (export $handler-kind "handler-kind" (type $handler-kind-enum))
  (type $handler-record (record
    (field "name" string) (field "kind" $handler-kind) (field "documentation" string)
    (field "argument-schema" string) (field "reply-schema" string)))
  (export $handler "handler" (type $handler-record))
  (type $description-record (record
    (field "name" string) (field "documentation" string) (field "schema-version" u32)
    (field "state-content-type" string) (field "state-schema" string)
    (field "handlers" (list $handler)) (field "publish-state" bool)))
  (export $description "description" (type $description-record))
  (type $caller-variant (variant
    (case "anonymous") (case "principal" string) (case "object" $object-id)))
  (export $caller "caller" (type $caller-variant))
  (type $due-alarm-record (record (field "name" string) (field "due-ms" u64)))
  (export $due-alarm "due-alarm" (type $due-alarm-record))
  (type $trigger-variant (variant (case "call") (case "message" u64) (case "alarm" $due-alarm)))
  (export $trigger "trigger" (type $trigger-variant))
  (type $call-record (record
    (field "handler" string) (field "argument" (list u8)) (field "version" u64)
    (field "caller" $caller) (field "trigger" $trigger)))
  (export $call "call" (type $call-record))
  (type $rejection-record (record
    (field "code" string) (field "message" string) (field "detail" (option (list u8)))))
  (export $rejection "rejection" (type $rejection-record))
  (type $handler-error-variant (variant
    (case "invalid-argument" string) (case "unknown-handler") (case "rejected" $rejection)))
  (export $handler-error "handler-error" (type $handler-error-variant))
  (type $restore-error-variant (variant (case "newer-schema" u32) (case "invalid-snapshot" string)))
  (export $restore-error "restore-error" (type $restore-error-variant))

  (func $describe (result $description)
    (canon lift (core func $core "describe") (memory (core memory $storage "memory"))))
  (func $restore
    (param "id" $object-id) (param "snapshot" (option (list u8))) (param "schema-version" u32)
    (result (result (error $restore-error)))
    (canon lift (core func $core "restore")
      (memory (core memory $storage "memory")) (realloc (core func $storage "realloc"))))
  (func $handle (param "call" $call) (result (result (list u8) (error $handler-error)))
    (canon lift (core func $core "handle")
      (memory (core memory $storage "memory")) (realloc (core func $storage "realloc")) @LIFT@))
  (func $snapshot (result (list u8))
    (canon lift (core func $core "snapshot") (memory (core memory $storage "memory"))))
  (instance $behavior
    (export "object-id" (type $object-id))
    (export "handler-kind" (type $handler-kind))
    (export "handler" (type $handler))
    (export "description" (type $description))
    (export "caller" (type $caller))
    (export "due-alarm" (type $due-alarm))
    (export "trigger" (type $trigger))
    (export "call" (type $call))
    (export "rejection" (type $rejection))
    (export "handler-error" (type $handler-error))
    (export "restore-error" (type $restore-error))
    (export "describe" (func $describe))
    (export "restore" (func $restore))
    (export "handle" (func $handle))
    (export "snapshot" (func $snapshot)))
  (export "highlander:object/behavior@0.1.0" (instance $behavior)))
