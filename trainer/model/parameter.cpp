#include "trainer/model/parameter.h"
