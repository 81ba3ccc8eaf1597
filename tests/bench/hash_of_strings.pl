# A hash whose strings grow and whose entries go: small blocks of four sizes, all of them hot in an interpreter.
#
# Source: found with the real programs under the preload. It stresses nothing but where blocks lie: with every size's
# memory beginning at the same address modulo a large power of two it took twice its time on an AMD EPYC, whose L1
# way predictor hashes address bits 12 to 27. Trap: a profile shows the interpreter slow, not the allocator.
# usage: hash_of_strings.pl ROUNDS
use strict;
use warnings;

my %table;
for my $number (1 .. shift) {
  no warnings 'uninitialized';
  $table{$number % 50000} .= $number;
  delete $table{$number % 70000};
}
my $length = 0;
$length += length for values %table;
print scalar(keys %table), " $length\n";
