"""Writes Java classes with generics, lambdas and inner classes into the current directory."""
import sys

for number in range(int(sys.argv[1])):
    methods = "\n".join(
        f"""    <T extends Comparable<T>> Map<T, List<String>> method{i}(List<T> items, Function<T, String> name) {{
        Map<T, List<String>> result = new TreeMap<>();
        items.stream().filter(x -> x != null).sorted().forEach(
            x -> result.computeIfAbsent(x, y -> new ArrayList<>()).add(name.apply(x) + {i}));
        return result;
    }}""" for i in range(12))
    with open(f"Class{number}.java", "w") as file:
        file.write(f"""import java.util.*;
import java.util.function.*;

public class Class{number} {{
    record Pair<A, B>(A first, B second) {{}}
    enum Kind {{ {", ".join(f"KIND_{i}" for i in range(20))} }}
    class Inner {{ Pair<Kind, Class{max(0, number - 1)}> pair; }}
{methods}
}}
""")
