"""Prints an SMT-LIB problem without a solution: n + 1 pigeons in n holes, and a factoring over bit vectors."""
import sys

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
for i in range(holes * 40):
    print(f"(declare-const x{i} Int)")
    print(f"(assert (and (> x{i} {i}) (< (f x{i}) (+ {i} (f {i % 7})))))")
    if i:
        print(f"(assert (= (f x{i}) (f (+ 1 x{i - 1}))))")
print("(assert (< (f x1) (- (f 0) 100)))")
print("(check-sat)")
