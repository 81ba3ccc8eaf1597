"""Prints an SQL script of about as many thousand inserts as asked, then an index, joins and groups, thrice."""
import random
import sys

random.seed(7)
rows = int(sys.argv[1]) * 1000
print("CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT, city TEXT, born INTEGER); BEGIN;")
for i in range(rows):
    name = "".join(random.choices("abcdefghij", k=random.randrange(4, 40)))
    city, born = random.randrange(500), random.randrange(1900, 2020)
    print(f"INSERT INTO person VALUES({i}, '{name}', 'city {city}', {born});")
print("COMMIT; CREATE INDEX by_city ON person(city, born);")
for length in range(2, 5):
    print(f"SELECT count(*), sum(c), max(n) FROM (SELECT substr(name, 1, {length}) AS n, count(*) AS c FROM person")
    print("  GROUP BY n);")
    print("SELECT count(*), sum(length(l)) FROM (SELECT group_concat(upper(name)) AS l FROM person GROUP BY city);")
    print(f"SELECT count(*) FROM person a JOIN person b ON a.city = b.city AND a.born = b.born + {length};")
print("DELETE FROM person WHERE id % 3 = 0; PRAGMA integrity_check;")
