-- Builds and walks perfect binary trees, after the Computer Language Benchmarks Game: many small tables, short-lived.
local function tree(depth)
  if depth == 0 then return {} end
  return { tree(depth - 1), tree(depth - 1) }
end
local function count(node)
  return node[1] and 1 + count(node[1]) + count(node[2]) or 1
end

local deepest = tonumber(arg[1])
local kept = tree(deepest)
for depth = 4, deepest, 4 do
  local trees, nodes = 1 << (deepest - depth + 4), 0
  for _ = 1, trees do nodes = nodes + count(tree(depth)) end
  print(trees, depth, nodes)
end
print(count(kept))
