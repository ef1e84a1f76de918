;; Cuts a text to 128 bytes, between two characters.
(module
  (memory (export "memory") 2 2)
  ;; The text comes here; there is room for the 65,536 bytes that the manifest says.
  (global (export "gadget_input") i32 (i32.const 1024))

  (func (export "gadget_filter_v1") (param $field i32) (param $ptr i32) (param $len i32) (result i64)
    (if (i32.gt_u (local.get $len) (i32.const 128))
      (then
        (local.set $len (i32.const 128))
        ;; 10xxxxxx continues a character: the cut would be within it.
        (loop $back
          (if (i32.eq (i32.and (i32.load8_u (i32.add (local.get $ptr) (local.get $len))) (i32.const 0xc0)) (i32.const 0x80))
            (then
              (local.set $len (i32.sub (local.get $len) (i32.const 1)))
              (br_if $back (local.get $len)))))))
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32))
      (i64.extend_i32_u (local.get $len)))))
