#ifndef NFTMESH_BASE_ERR_H
#define NFTMESH_BASE_ERR_H

/* One list of error codes, each with its sentence.
 *
 * Functions return BASE_OK or one of these negatives. They say what is wrong with the world: a
 * peer that merely fails a check is a verdict of its own enum, and a caller's mistake is an
 * assert. */
enum base_err {
    BASE_OK = 0,
    BASE_EMALFORMED = -1,   /* bytes that do not follow their format */
    BASE_ETOOBIG = -2,      /* larger than the bound in the header */
    BASE_ENOMEM = -3,       /* the allocator said no */
    BASE_EINVAL = -4,       /* a value outside of its range, from configuration or a user */
    BASE_ENOTFOUND = -5,    /* no such entry */
    BASE_EEXIST = -6,       /* there already */
    BASE_EFULL = -7,        /* a bounded table or queue has no room */
    BASE_ENOPEER = -8,      /* no such member, or no session with it */
    BASE_EKEY = -9,         /* not a key on the curve, or a scalar out of range */
    BASE_ESIG = -10,        /* not a signature under the strict rules, or none that recovers */
    BASE_EAUTH = -11,       /* a tag that does not verify */
    BASE_ESTATE = -12,      /* not possible in this state (a frame before READY, say) */
    BASE_EIO = -13,         /* the operating system said no; errno tells why */
    BASE_ETIMEOUT = -14,    /* no answer in time */
    BASE_ECLOSED = -15,     /* the other side is gone */
    BASE_EREFUSED = -16,    /* the other side said no */
    BASE_EREMOTE = -17,     /* the other side answered with an error of its own */
    BASE_EUNSUPPORTED = -18 /* a version or feature that we do not speak */
};

/* The sentence for a code, in lower case without a full stop; never NULL. Static memory. */
const char *base_strerror(int err);

#endif
