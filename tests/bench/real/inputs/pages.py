"""Prints PostScript of as many pages as asked: curves, text, clips, dictionaries, arrays and strings.

Source: the gs row of mimalloc-bench, in shape. Trap: a page is one large bitmap beside what the interpreter takes.
usage: pages.py PAGES
"""
import sys

LINE = """fonts {font} get findfont {size} scalefont setfont {x} {y} moveto (Line {i} of page {page}) show
newpath {x} {y} moveto {right} {x} {left} {above} {half} {y} curveto {gray} setgray stroke
/d {entries} dict def
0 1 {last} {{ dup 10 string cvs cvn exch d 3 1 roll put }} for
/sum sum d length add def
[ d {{ exch pop }} forall ] 0 exch {{ add }} forall pop
"""
CLIP = """gsave newpath {x} {y} 60 0 360 arc clip
0 10 700 {{ 0 exch moveto 600 0 rlineto }} for stroke grestore
"""
print("%!PS-Adobe-3.0")
print("/sum 0 def /fonts [/Times-Roman /Helvetica /Courier] def")
for page in range(int(sys.argv[1])):
    print("gsave")
    for i in range(120):
        x, y = (i * 37 + page * 11) % 540 + 20, (i * 71 + page * 5) % 700 + 40
        print(LINE.format(i=i, page=page, x=x, y=y, font=i % 3, size=6 + i % 20, right=y % 500, left=x + 40,
                          above=y + 90, half=x / 2, gray=i % 9 / 9, entries=10 + i % 50, last=9 + i % 50), end="")
    for i in range(20):
        print(CLIP.format(x=i * 25, y=i * 30), end="")
    print("grestore showpage")
print("sum =")
