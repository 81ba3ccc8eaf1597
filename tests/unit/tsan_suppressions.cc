// What ThreadSanitizer reports and is not ours to mend: mimalloc 2.0.9 reads a page's flags in free() while the page's
// own thread may set the other one of them.
extern "C" const char* __tsan_default_suppressions() { return "race_top:mi_page_has_aligned\n"; }
