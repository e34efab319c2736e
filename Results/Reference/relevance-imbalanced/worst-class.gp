set terminal svg size 720,476 dynamic enhanced font "sans,13" background rgb "white"
set encoding utf8
set xlabel "count" noenhanced
set ylabel "test.worstClassAccuracy (%)" noenhanced
set grid lc rgb "#cccccc"
set border 3
set tics nomirror
set key below noenhanced height 1.5
set title "test.worstClassAccuracy (%) against count, mean ± 95 % interval over 8 seeds" noenhanced
set xrange [11.4:24.6]
set xtics ("12" 12.0, "18" 18.0, "24" 24.0) noenhanced
$line0 << EOD
12.0 24.619289340101524 7.913383018500504
18.0 20.558375634517766 10.024622314341567
24.0 10.850253807106599 6.763204372407085
EOD
$line1 << EOD
12.0 24.87309644670051 7.601630851790213
18.0 17.893401015228427 9.687228636618176
24.0 7.043147208121828 4.856875436399871
EOD
$line2 << EOD
12.0 21.95431472081218 6.682119048247938
18.0 11.294416243654823 3.627644483678906
24.0 4.695431472081219 3.8745594586346104
EOD
$line3 << EOD
12.0 23.096446700507613 8.700079755918056
18.0 12.563451776649748 4.735170217913046
24.0 2.9187817258883237 3.7048370540063864
EOD
plot $line0 using ($1+(-0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#0072B2" title "relevance", \
     $line1 using ($1+(-0.16000000000000006)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#D55E00" title "relevance, classWeights false", \
     $line2 using ($1+(0.16)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 3 lc rgb "#009E73" title "l1", \
     $line3 using ($1+(0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 4 lc rgb "#CC79A7" title "random"
