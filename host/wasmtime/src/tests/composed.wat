;; An object composed of two components with separate memories, as composition tools generate it. The outer component
;; implements the WIT world and calls the inner one with data that pass from one memory to the other.
;;
;; Handlers: `echo` returns the argument twice, as written by the inner component; `grow` grows each memory by 40 MiB.
(component
  (component $inner
    (core module $module
      (memory (export "memory") 1)
      (global $free (mut i32) (i32.const 1024))
      (func $realloc (export "realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (global.get $free))
        (global.set $free
          (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 7)) (i32.const -8)))
        (local.get $at))
      (func (export "twice") (param $at i32) (param $length i32) (result i32)
        (local $to i32)
        (local.set $to
          (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.mul (local.get $length) (i32.const 2))))
        (memory.copy (local.get $to) (local.get $at) (local.get $length))
        (memory.copy (i32.add (local.get $to) (local.get $length)) (local.get $at) (local.get $length))
        (i32.store (i32.const 16) (local.get $to))
        (i32.store (i32.const 20) (i32.mul (local.get $length) (i32.const 2)))
        ;; Frees everything for the next call.
        (global.set $free (i32.const 1024))
        (i32.const 16))
      (func (export "grow") (param $pages i32) (result i32)
        (i32.ne (memory.grow (local.get $pages)) (i32.const -1))))
    (core instance $core (instantiate $module))
    (func (export "twice") (param "bytes" (list u8)) (result (list u8))
      (canon lift (core func $core "twice")
        (memory (core memory $core "memory")) (realloc (core func $core "realloc"))))
    (func (export "grow") (param "pages" u32) (result bool)
      (canon lift (core func $core "grow"))))

  (component $outer
    (import "twice" (func $twice (param "bytes" (list u8)) (result (list u8))))
    (import "grow" (func $grow (param "pages" u32) (result bool)))
    ;; The host passes data in this memory, which must exist before the functions that use it are lowered.
    (core module $storage
      (memory (export "memory") 1)
      (global $free (mut i32) (i32.const 1024))
      (func (export "reset") (global.set $free (i32.const 1024)))
      (func (export "realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (global.get $free))
        (global.set $free
          (i32.and (i32.add (i32.add (global.get $free) (local.get 3)) (i32.const 7)) (i32.const -8)))
        (local.get $at)))
    (core instance $storage (instantiate $storage))
    (core func $twice (canon lower (func $twice)
      (memory (core memory $storage "memory")) (realloc (core func $storage "realloc"))))
    (core func $grow (canon lower (func $grow)))
    (core module $module
      (import "storage" "memory" (memory 1))
      (import "storage" "reset" (func $reset))
      (import "inner" "twice" (func $twice (param i32 i32 i32)))
      (import "inner" "grow" (func $grow (param i32) (result i32)))
      (data (i32.const 0) "composedapplication/jsontrueechogrow")
      ;; The description: name, documentation, schema version, content type, schema, two handlers, no public state.
      (data (i32.const 64)
        "\00\00\00\00\08\00\00\00" "\00\00\00\00\00\00\00\00" "\01\00\00\00"
        "\08\00\00\00\10\00\00\00" "\18\00\00\00\04\00\00\00" "\70\00\00\00\02\00\00\00" "\00\00\00\00")
      ;; The handlers: name, kind, documentation, argument, reply.
      (data (i32.const 112)
        "\1c\00\00\00\04\00\00\00" "\00\00\00\00" "\00\00\00\00\00\00\00\00"
        "\18\00\00\00\04\00\00\00" "\18\00\00\00\04\00\00\00"
        "\20\00\00\00\04\00\00\00" "\00\00\00\00" "\00\00\00\00\00\00\00\00"
        "\18\00\00\00\04\00\00\00" "\18\00\00\00\04\00\00\00")
      (func (export "describe") (result i32) (i32.const 64))
      (func (export "restore") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
        (call $reset)
        (i32.store8 (i32.const 256) (i32.const 0))
        (i32.const 256))
      ;; The state is `true`.
      (func (export "snapshot") (result i32)
        (i32.store (i32.const 256) (i32.const 24))
        (i32.store (i32.const 260) (i32.const 4))
        (i32.const 256))
      (func (export "handle")
        (param $handler i32) (param i32) (param $argument i32) (param $length i32) (param i64)
        (param i32 i32 i32 i32 i32) (param i32 i64 i32 i64) (result i32)
        (i32.store (i32.const 260) (i32.const 24))
        (i32.store (i32.const 264) (i32.const 4))
        (if (i32.eq (i32.load8_u (local.get $handler)) (i32.const 103))
          (then
            (if (i32.eq (memory.grow (i32.const 640)) (i32.const -1)) (then unreachable))
            (if (i32.eqz (call $grow (i32.const 640))) (then unreachable)))
          (else
            (call $twice (local.get $argument) (local.get $length) (i32.const 300))
            (i32.store (i32.const 260) (i32.load (i32.const 300)))
            (i32.store (i32.const 264) (i32.load (i32.const 304)))))
        (call $reset)
        (i32.store8 (i32.const 256) (i32.const 0))
        (i32.const 256)))
    (core instance $core (instantiate $module
      (with "storage" (instance $storage))
      (with "inner" (instance (export "twice" (func $twice)) (export "grow" (func $grow))))))

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
        (memory (core memory $storage "memory")) (realloc (core func $storage "realloc"))))
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

  (instance $inner (instantiate $inner))
  (instance $outer (instantiate $outer
    (with "twice" (func $inner "twice"))
    (with "grow" (func $inner "grow"))))
  (export "highlander:object/behavior@0.1.0" (instance $outer "highlander:object/behavior@0.1.0")))
