#include "base/err.h"

const char *base_strerror(int err)
{
    switch ((enum base_err)err) {
    case BASE_OK:
        return "no error";
    case BASE_EMALFORMED:
        return "malformed bytes";
    case BASE_ETOOBIG:
        return "larger than the bound allows";
    case BASE_ENOMEM:
        return "out of memory";
    case BASE_EINVAL:
        return "a value outside of its range";
    case BASE_ENOTFOUND:
        return "no such entry";
    case BASE_EEXIST:
        return "exists already";
    case BASE_EFULL:
        return "no room left";
    case BASE_ENOPEER:
        return "no such peer";
    case BASE_EKEY:
        return "not a valid key";
    case BASE_ESIG:
        return "not a valid signature";
    case BASE_EAUTH:
        return "the authentication tag does not verify";
    case BASE_ESTATE:
        return "not possible in this state";
    case BASE_EIO:
        return "the operating system refused";
    case BASE_ETIMEOUT:
        return "no answer in time";
    case BASE_ECLOSED:
        return "the other side is gone";
    case BASE_EREFUSED:
        return "the other side refused";
    case BASE_EREMOTE:
        return "the other side answered with an error";
    case BASE_EUNSUPPORTED:
        return "a version or feature that is not supported";
    }
    return "unknown error"; /* a number that is no code of ours */
}
