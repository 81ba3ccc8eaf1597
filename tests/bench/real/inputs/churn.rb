# Strings, hashes and arrays that come and go: in ruby every one past its embedded few bytes is a malloc.
#
# Source: rbstress in mimalloc-bench, in shape. Trap: small objects live in the collector's own pages; only what does
# not fit in a slot (strings over some 24 to 640 bytes, tables) reaches the allocator.
# usage: churn.rb ROUNDS
table = {}
sum = 0
ARGV[0].to_i.times do |round|
  lines = Array.new(2000) { |i| "line #{i} of round #{round}, " * (1 + (i * 7 + round) % 40) }
  lines.each_with_index do |line, i|
    words = line.split(",")
    table[(i * 31 + round * 17) % 5000] = words.map(&:upcase).each_slice(3).map { |some| some.join("-") }
    table.delete((i * 13 + round) % 5000)
    sum += line.length + words.length
  end
  counted = Hash.new(0)
  table.each_value { |list| list.each { |text| counted[text.length] += 1 } }
  sum += counted.sum { |length, times| length * times }
end
puts sum
