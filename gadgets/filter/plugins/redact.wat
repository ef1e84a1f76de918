;; Masks the values of password=, passwd=, token=, secret=, api_key= and apikey= up to the next space, and words of 32 or more
;; of A-Z a-z 0-9 _ - + with a letter and a digit among them, as keys and hashes are. Works in place: what is written never
;; overtakes what is read.
(module
  (memory (export "memory") 2 2)
  (global (export "gadget_input") i32 (i32.const 1024))
  ;; Each with its length before it; 0 ends them.
  (data (i32.const 16) "\09password=\07passwd=\06token=\07secret=\08api_key=\07apikey=\00")

  (func $is_letter (param $c i32) (result i32)
    (i32.lt_u (i32.sub (i32.or (local.get $c) (i32.const 0x20)) (i32.const 0x61)) (i32.const 26)))
  (func $is_digit (param $c i32) (result i32)
    (i32.lt_u (i32.sub (local.get $c) (i32.const 0x30)) (i32.const 10)))
  (func $is_token (param $c i32) (result i32)
    (i32.or
      (i32.or (call $is_letter (local.get $c)) (call $is_digit (local.get $c)))
      (i32.or
        (i32.eq (local.get $c) (i32.const 0x5f))
        (i32.or (i32.eq (local.get $c) (i32.const 0x2d)) (i32.eq (local.get $c) (i32.const 0x2b))))))

  ;; Whether the text from $from to $end ends with one of the keys, in capitals or not.
  (func $ends_with_key (param $from i32) (param $end i32) (result i32)
    (local $key i32) (local $len i32) (local $i i32)
    (local.set $key (i32.const 16))
    (loop $keys
      (local.set $len (i32.load8_u (local.get $key)))
      (if (i32.eqz (local.get $len)) (then (return (i32.const 0))))
      (local.set $key (i32.add (local.get $key) (i32.const 1)))
      (block $differs
        (br_if $differs (i32.gt_u (local.get $len) (i32.sub (local.get $end) (local.get $from))))
        (local.set $i (i32.const 0))
        (loop $bytes
          (br_if $differs
            (i32.ne
              (i32.or (i32.load8_u (i32.add (local.get $key) (local.get $i))) (i32.const 0x20))
              (i32.or
                (i32.load8_u (i32.add (i32.sub (local.get $end) (local.get $len)) (local.get $i)))
                (i32.const 0x20))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $bytes (i32.lt_u (local.get $i) (local.get $len))))
        (return (i32.const 1)))
      (local.set $key (i32.add (local.get $key) (local.get $len)))
      (br $keys))
    (unreachable))

  ;; Writes up to three stars for a secret of $len bytes; the end of what was written.
  (func $mask (param $w i32) (param $len i32) (result i32)
    (if (i32.gt_u (local.get $len) (i32.const 3)) (then (local.set $len (i32.const 3))))
    (memory.fill (local.get $w) (i32.const 0x2a) (local.get $len))
    (i32.add (local.get $w) (local.get $len)))

  (func (export "gadget_filter_v1") (param $field i32) (param $ptr i32) (param $len i32) (result i64)
    (local $r i32) (local $w i32) (local $end i32) (local $c i32) (local $to i32) (local $kinds i32)
    (local.set $r (local.get $ptr))
    (local.set $w (local.get $ptr))
    (local.set $end (i32.add (local.get $ptr) (local.get $len)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $r) (local.get $end)))
        ;; A word from $r to $to; bit 0 of $kinds: it has a letter, bit 1: a digit.
        (local.set $to (local.get $r))
        (local.set $kinds (i32.const 0))
        (block $word_ends
          (loop $word
            (br_if $word_ends (i32.ge_u (local.get $to) (local.get $end)))
            (local.set $c (i32.load8_u (local.get $to)))
            (br_if $word_ends (i32.eqz (call $is_token (local.get $c))))
            (local.set $kinds
              (i32.or (local.get $kinds)
                (i32.or
                  (call $is_letter (local.get $c))
                  (i32.shl (call $is_digit (local.get $c)) (i32.const 1)))))
            (local.set $to (i32.add (local.get $to) (i32.const 1)))
            (br $word)))
        (local.set $len (i32.sub (local.get $to) (local.get $r)))
        (if (i32.and (i32.ge_u (local.get $len) (i32.const 32)) (i32.eq (local.get $kinds) (i32.const 3)))
          (then (local.set $w (call $mask (local.get $w) (local.get $len))))
          (else
            (memory.copy (local.get $w) (local.get $r) (local.get $len))
            (local.set $w (i32.add (local.get $w) (local.get $len)))))
        (local.set $r (local.get $to))
        (br_if $done (i32.ge_u (local.get $r) (local.get $end)))
        ;; The byte that ended the word.
        (local.set $c (i32.load8_u (local.get $r)))
        (i32.store8 (local.get $w) (local.get $c))
        (local.set $r (i32.add (local.get $r) (i32.const 1)))
        (local.set $w (i32.add (local.get $w) (i32.const 1)))
        (br_if $next (i32.ne (local.get $c) (i32.const 0x3d)))
        (br_if $next (i32.eqz (call $ends_with_key (local.get $ptr) (local.get $w))))
        ;; Its value, up to a space.
        (local.set $to (local.get $r))
        (block $value_ends
          (loop $value
            (br_if $value_ends (i32.ge_u (local.get $to) (local.get $end)))
            (br_if $value_ends (i32.eq (i32.load8_u (local.get $to)) (i32.const 0x20)))
            (local.set $to (i32.add (local.get $to) (i32.const 1)))
            (br $value)))
        (local.set $w (call $mask (local.get $w) (i32.sub (local.get $to) (local.get $r))))
        (local.set $r (local.get $to))
        (br $next)))
    (i64.or
      (i64.shl (i64.extend_i32_u (local.get $ptr)) (i64.const 32))
      (i64.extend_i32_u (i32.sub (local.get $w) (local.get $ptr))))))
