/* Plays the scene that is named. */
#include "life.h"

int main(int argc, char** argv) {
#define SCENE(name) {#name, name},
  struct {
    const char* name;
    void (*play)(void);
  } const scenes[] = {SCENES(SCENE)};
  for (size_t i = 0; i < sizeof scenes / sizeof *scenes; ++i)
    if (argc > 1 && !strcmp(argv[1], scenes[i].name)) {
      scenes[i].play();
      puts("done");
      return 0;
    }
  printf("life: no scene '%s'\n", argc > 1 ? argv[1] : "");
  return 2;
}
