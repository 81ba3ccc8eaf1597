"""Prints SMT-LIB problems: n + 1 pigeons in n holes, arithmetic over functions, the factors of a prime."""
import sys


def is_prime(n):
    return n % 2 and all(n % d for d in range(3, int(n**0.5) + 1, 2))


holes = int(sys.argv[1])
pigeons = range(holes + 1)
print("(set-logic ALL)")
for p in pigeons:
    for h in range(holes):
        print(f"(declare-const in_{p}_{h} Bool)")
for p in pigeons:
    print("(assert (or " + " ".join(f"in_{p}_{h}" for h in range(holes)) + "))")
for h in range(holes):
    for p in pigeons:
        for q in range(p):
            print(f"(assert (not (and in_{p}_{h} in_{q}_{h})))")
print("(check-sat)")
print("(reset)")
print("(declare-fun f (Int) Int)")
for i in range(holes * 80):
    print(f"(declare-const x{i} Int)")
    print(f"(assert (and (> x{i} {i}) (< (f x{i}) (+ {i} (f {i % 7})))))")
    if i:
        print(f"(assert (= (f x{i}) (f (+ 1 x{i - 1}))))")
print("(assert (< (f x1) (- (f 0) 100)))")
print("(check-sat)")
print("(reset)")
bits = holes + 2
print(f"(declare-const x (_ BitVec {2 * bits}))")
print(f"(declare-const y (_ BitVec {2 * bits}))")
print(f"(assert (and (bvugt x (_ bv1 {2 * bits})) (bvule x y) (bvult y (_ bv{2**bits} {2 * bits}))))")
print(f"(assert (= (bvmul x y) (_ bv{next(n for n in range(4 ** bits - 2 ** (bits + 2), 1, -1) if is_prime(n))} {2 * bits})))")
print("(check-sat)")
