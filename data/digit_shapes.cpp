#include <gradus/data/digit_shapes.h>

namespace gradus::data {
namespace {

constexpr Pen D = Pen::down, T = Pen::turn, o = Pen::on;

// Read each as a hand writes it: where the pen comes down, then knot by knot.

constexpr Knot oval[] = {{.05f, -1, D},  {-.45f, -.75f, o}, {-.62f, 0, o},    {-.45f, .75f, o}, {0, 1, o},
                         {.48f, .7f, o}, {.62f, 0, o},      {.45f, -.75f, o}, {.02f, -1, o}};
constexpr Knot open_oval[] = {{.3f, -.85f, D}, {-.15f, -.95f, o}, {-.5f, -.35f, o}, {-.5f, .4f, o},   {-.1f, .98f, o},
                              {.35f, .75f, o}, {.52f, .05f, o},   {.4f, -.6f, o},   {.05f, -.95f, o}, {-.2f, -.8f, o}};
constexpr Knot narrow_oval[] = {{0, -1, D},     {-.32f, -.5f, o}, {-.36f, .3f, o}, {-.1f, .95f, o},
                                {.22f, .8f, o}, {.38f, .1f, o},   {.3f, -.65f, o}, {-.05f, -.98f, o}};

constexpr Knot bar[] = {{.05f, -1, D}, {0, 0, o}, {-.03f, 1, o}};
constexpr Knot bar_with_flag[] = {{-.4f, -.55f, D}, {-.1f, -.8f, o}, {.08f, -1, T}, {.06f, 0, o}, {.05f, 1, o}};
constexpr Knot bar_with_foot[] = {{-.35f, -.6f, D}, {.05f, -1, T}, {.03f, .95f, o}, {-.42f, .97f, D}, {.45f, .95f, o}};
constexpr Knot short_flag[] = {{-.2f, -.8f, D}, {.02f, -1, T}, {0, 1, o}};

constexpr Knot swan[] = {{-.55f, -.5f, D}, {-.35f, -.9f, o}, {.1f, -1, o}, {.5f, -.6f, o}, {.3f, -.05f, o},
                         {-.2f, .5f, o},   {-.58f, .95f, T}, {0, .92f, o}, {.6f, .95f, o}};
constexpr Knot swan_with_loop[] = {{-.5f, -.6f, D},  {-.2f, -.98f, o}, {.3f, -.85f, o}, {.4f, -.4f, o},
                                   {.05f, .25f, o},  {-.4f, .8f, o},   {-.6f, .85f, o}, {-.5f, .55f, o},
                                   {-.15f, .65f, o}, {.25f, .95f, o},  {.65f, .75f, o}};
constexpr Knot angular_two[] = {{-.55f, -.85f, D}, {0, -.98f, o},    {.5f, -.8f, o},
                                {.2f, -.1f, o},    {-.55f, .95f, T}, {.62f, .85f, o}};

constexpr Knot round_three[] = {{-.5f, -.7f, D}, {-.1f, -1, o},   {.4f, -.75f, o}, {.35f, -.3f, o}, {-.12f, -.05f, T},
                                {.35f, .1f, o},  {.52f, .55f, o}, {.1f, .98f, o},  {-.55f, .75f, o}};
constexpr Knot flat_three[] = {{-.5f, -.92f, D}, {.45f, -.95f, T}, {-.1f, -.15f, T}, {.4f, .05f, o},
                               {.5f, .55f, o},   {.1f, .98f, o},   {-.55f, .8f, o}};
constexpr Knot curly_three[] = {{-.45f, -.85f, D}, {.15f, -.98f, o}, {.4f, -.6f, o}, {.05f, -.15f, o}, {-.2f, -.05f, o},
                                {.1f, -.02f, o},   {.48f, .35f, o},  {.3f, .85f, o}, {-.15f, 1, o},    {-.5f, .8f, o}};

constexpr Knot open_four[] = {{-.4f, -.9f, D}, {-.5f, -.3f, o}, {-.52f, .15f, T},
                              {.6f, .12f, o},  {.3f, -.75f, D}, {.27f, 1, o}};
constexpr Knot closed_four[] = {{.25f, -1, D}, {-.6f, .3f, T}, {.65f, .28f, o}, {.28f, -1, D}, {.25f, 1, o}};
constexpr Knot one_stroke_four[] = {{-.42f, -.9f, D}, {-.48f, -.25f, o}, {-.1f, .05f, o}, {.35f, -.2f, o},
                                    {.48f, -.9f, T},  {.4f, 0, o},       {.3f, 1, o}};
constexpr Knot curved_four[] = {{-.25f, -1, D},  {-.5f, -.15f, o}, {-.45f, .12f, o}, {0, .15f, o},
                                {.62f, .05f, o}, {.38f, -.6f, D},  {.15f, 1, o}};

constexpr Knot one_stroke_five[] = {{.5f, -.95f, D}, {-.38f, -.93f, T}, {-.45f, -.15f, T}, {.15f, -.25f, o},
                                    {.52f, .2f, o},  {.35f, .8f, o},    {-.1f, 1, o},      {-.55f, .8f, o}};
constexpr Knot two_stroke_five[] = {{-.35f, -.85f, D}, {-.42f, -.1f, T}, {.1f, -.15f, o},  {.45f, .3f, o},  {.25f, .85f, o},
                                    {-.2f, .98f, o},   {-.5f, .85f, o},  {-.36f, -.9f, D}, {.55f, -.98f, o}};
constexpr Knot flowing_five[] = {{.5f, -.9f, D}, {0, -.95f, o},  {-.4f, -.6f, o}, {-.25f, -.15f, o},
                                 {.25f, .1f, o}, {.4f, .55f, o}, {.05f, .95f, o}, {-.5f, .85f, o}};

constexpr Knot bent_six[] = {{.4f, -.95f, D}, {-.15f, -.65f, o}, {-.48f, .05f, o}, {-.45f, .65f, o}, {0, 1, o},
                             {.45f, .65f, o}, {.3f, .12f, o},    {-.12f, .05f, o}, {-.45f, .45f, o}};
constexpr Knot straight_six[] = {{.05f, -1, D},  {-.3f, -.3f, o}, {-.45f, .4f, o}, {-.2f, .95f, o},
                                 {.25f, .9f, o}, {.4f, .5f, o},   {.1f, .2f, o},   {-.35f, .55f, o}};
constexpr Knot wide_six[] = {{.2f, -1, D},   {-.4f, -.4f, o}, {-.58f, .3f, o}, {-.3f, .9f, o}, {.3f, .92f, o},
                             {.55f, .5f, o}, {.2f, .15f, o},  {-.2f, .35f, o}, {-.3f, .65f, o}};

constexpr Knot plain_seven[] = {{-.55f, -.9f, D}, {.55f, -.92f, T}, {.2f, -.1f, o}, {-.1f, 1, o}};
constexpr Knot crossed_seven[] = {{-.5f, -.9f, D}, {.55f, -.92f, T}, {.2f, -.1f, o},
                                  {0, 1, o},       {-.25f, .05f, D}, {.5f, 0, o}};
constexpr Knot hooked_seven[] = {{-.52f, -.55f, D}, {-.48f, -.92f, T}, {0, -.88f, o},
                                 {.5f, -.9f, T},    {.15f, -.15f, o},  {.02f, 1, o}};
constexpr Knot curved_seven[] = {{-.5f, -.8f, D}, {-.1f, -.95f, o}, {.45f, -.85f, o},
                                 {.4f, -.4f, o},  {.12f, .25f, o},  {.05f, 1, o}};

constexpr Knot crossing_eight[] = {{.4f, -.7f, D},    {.05f, -1, o},    {-.4f, -.65f, o}, {-.1f, -.15f, o},
                                   {.4f, .35f, o},    {.25f, .9f, o},   {-.2f, .95f, o},  {-.42f, .5f, o},
                                   {-.02f, -.02f, o}, {.38f, -.45f, o}, {.38f, -.75f, o}};
constexpr Knot two_ring_eight[] = {{0, -1, D},    {-.38f, -.6f, o}, {0, -.1f, o}, {.38f, -.55f, o}, {.02f, -1, o},
                                   {0, -.08f, D}, {-.48f, .45f, o}, {0, 1, o},    {.48f, .45f, o},  {.02f, -.08f, o}};
constexpr Knot open_eight[] = {{.45f, -.85f, D}, {-.1f, -.95f, o}, {-.4f, -.55f, o}, {0, -.05f, o}, {.38f, .5f, o},
                               {0, .98f, o},     {-.35f, .6f, o},  {-.1f, .1f, o},   {.5f, -.8f, o}};

constexpr Knot plain_nine[] = {{.4f, -.65f, D}, {.05f, -.98f, o}, {-.42f, -.6f, o}, {-.25f, -.12f, o},
                               {.2f, -.25f, o}, {.42f, -.8f, T},  {.38f, .1f, o},   {.22f, 1, o}};
constexpr Knot hooked_nine[] = {{.42f, -.6f, D},  {.1f, -.98f, o}, {-.38f, -.7f, o}, {-.3f, -.2f, o}, {.15f, -.2f, o},
                                {.42f, -.75f, T}, {.42f, .2f, o},  {.15f, .9f, o},   {-.45f, .85f, o}};
constexpr Knot flowing_nine[] = {{.2f, -.9f, D},  {-.3f, -.85f, o}, {-.42f, -.35f, o}, {0, -.15f, o}, {.38f, -.55f, o},
                                 {.2f, -.95f, o}, {.42f, -.5f, o},  {.32f, .3f, o},    {-.05f, 1, o}};

constexpr PenPath zeros[] = {oval, open_oval, narrow_oval};
constexpr PenPath ones[] = {bar, bar_with_flag, bar_with_foot, short_flag};
constexpr PenPath twos[] = {swan, swan_with_loop, angular_two};
constexpr PenPath threes[] = {round_three, flat_three, curly_three};
constexpr PenPath fours[] = {open_four, closed_four, one_stroke_four, curved_four};
constexpr PenPath fives[] = {one_stroke_five, two_stroke_five, flowing_five};
constexpr PenPath sixes[] = {bent_six, straight_six, wide_six};
constexpr PenPath sevens[] = {plain_seven, crossed_seven, hooked_seven, curved_seven};
constexpr PenPath eights[] = {crossing_eight, two_ring_eight, open_eight};
constexpr PenPath nines[] = {plain_nine, hooked_nine, flowing_nine};

}  // namespace

std::span<const PenPath> shapes_of(int digit) {
  constexpr std::span<const PenPath> all[] = {zeros, ones, twos, threes, fours, fives, sixes, sevens, eights, nines};
  return all[digit];
}

}  // namespace gradus::data
