/* Converters: the channels of a device, and what is connected to them. */
#ifndef HWSIM_CONVERTER_SIGNAL_H
#define HWSIM_CONVERTER_SIGNAL_H

#include "converter/samples.h"
#include "timeline/operation.h"

signal_source *signal_retain(signal_source *source);
void signal_release(signal_source *source); /* may be NULL */

/* What a channel measures at one time, with references of its own. */
typedef struct channel_view {
  signal_source *source;
  correction *correction; /* or NULL */
  uint64_t n;             /* the sample that a single conversion has taken */
  double level_v;         /* ... of what an output drives */
} channel_view;
void channel_release(channel_view *view);

typedef struct converters converters;

size_t converters_size(void);
/* False: no memory. */
bool converters_open(hwsim_device *device);
/* No output drives them any more. Mutex held. */
void converters_close(hwsim_device *device);
void converters_free(hwsim_device *device);
/* EINVALID, with details, unless there is such a channel. No lock needed. */
hwsim_error converters_check_channel(const hwsim_device *device, const hwsim_operation *operation,
                                     uint32_t channel);
/* ESTATE, with details: what a call says that finds the converters off. */
hwsim_error converters_say_disabled(const hwsim_device *device, const hwsim_operation *operation);

/* The rest: mutex held. */
void converters_enable(hwsim_device *device, bool enabled);
bool converters_are_enabled(const hwsim_device *device);
/* One sample of a channel that there is: its next one. */
int16_t converters_take(hwsim_device *device, uint32_t channel, int64_t at_ns);
/* What the channel measures, without a reference. */
const signal_source *converters_source(const hwsim_device *device, uint32_t channel);
channel_view converters_view(const hwsim_device *device, uint32_t channel);
/* Without references; of samples that begin at a time. What an output drives is that of now. */
signal_plan converters_plan(const hwsim_device *device, uint32_t channel, double rate_hz,
                            int64_t base_ns);
/* Takes over the reference; the one before is returned. */
correction *converters_set_correction(hwsim_device *device, uint32_t channel, correction *set);
/* The samples of a channel are others from now on; the signal starts at its sample 0, or only its
 * correction is new. */
typedef void converters_listener(hwsim_device *device, uint32_t channel, bool from_first_sample,
                                 int64_t now_ns);
void converters_set_listener(hwsim_device *device, converters_listener *listener);
/* A source that an output drives, which takes over the response; the link is copied. NULL: no
 * memory. No lock needed. */
signal_source *signal_driven(response *driven, const hwsim_link *link);
/* Connects it to a channel instead of the signal, of which it takes the converter over; returns the
 * one before, to be released. */
signal_source *converters_connect(hwsim_device *device, uint32_t channel, signal_source *source,
                                  double noise_v);
/* What an output makes of the channel that it drives, if any, is another one. */
void converters_driven(const signal_source *source, int64_t at_ns);

#endif
