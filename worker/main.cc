#include "worker/app.h"

int main(int argc, char** argv) {
  return lathe::worker::RunApp({argv + 1, argv + argc});
}
